/// Where a chunk group belongs.
struct WindowPlace: Hashable, Comparable, Sendable {
    let day: Int64
    /// 0 to 11.
    let window: Int64
    /// The series ids of a group share all but their low ten bits, so that groups of one window never overlap partly.
    let slice: UInt32

    static func < (left: Self, right: Self) -> Bool {
        (left.day, left.window, left.slice) < (right.day, right.window, right.slice)
    }

    /// The window of a time; its slice is that of series 0.
    static func of(_ milliseconds: Int64) -> WindowPlace {
        let day = CivilDay.day(of: milliseconds)
        let within = milliseconds &- day &* StoreLimits.dayMilliseconds
        return WindowPlace(day: day, window: within / StoreLimits.windowMilliseconds, slice: 0)
    }

    static func slice(of series: UInt32) -> UInt32 { series / UInt32(StoreLimits.chunkGroupSeriesMax) }

    func with(slice: UInt32) -> WindowPlace { WindowPlace(day: day, window: window, slice: slice) }

    /// The first millisecond after the window.
    var end: Int64 { day &* StoreLimits.dayMilliseconds &+ (window + 1) &* StoreLimits.windowMilliseconds }

    /// Cuts ascending times at the windows' edges.
    static func split(_ times: UnsafeBufferPointer<Int64>) -> [(place: WindowPlace, range: Range<Int>)] {
        var parts: [(place: WindowPlace, range: Range<Int>)] = []
        var start = 0
        while start < times.count {
            let place = of(times[start])
            var end = times.count
            if times[end - 1] >= place.end {
                end = start + 1
                while end < times.count, times[end] < place.end { end += 1 }
            }
            parts.append((place, start..<end))
            start = end
        }
        return parts
    }
}
