/// Samples of one series gathered from several places, in the order of their commits.
struct SampleRun {
    private(set) var timestamps: [Int64] = []
    private(set) var values: [Double] = []
    private var isOrdered = true

    var isEmpty: Bool { timestamps.isEmpty }

    mutating func removeAll() {
        timestamps.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        isOrdered = true
    }

    /// Appends samples whose times ascend strictly.
    mutating func append(_ times: ArraySlice<Int64>, _ numbers: ArraySlice<Double>, shift: Int64 = 0) {
        guard let first = times.first else { return }
        if let last = timestamps.last, first &+ shift <= last { isOrdered = false }
        if shift == 0 {
            timestamps.append(contentsOf: times)
        } else {
            timestamps.append(contentsOf: times.lazy.map { $0 &+ shift })
        }
        values.append(contentsOf: numbers)
    }

    /// Orders by time. Of several samples at one time the one appended last stays: equal ones become one, and of
    /// different ones the last committed wins.
    mutating func settle() {
        guard !isOrdered else { return }
        isOrdered = true
        let order = timestamps.indices.sorted {
            timestamps[$0] == timestamps[$1] ? $0 < $1 : timestamps[$0] < timestamps[$1]
        }
        var times: [Int64] = []
        var numbers: [Double] = []
        times.reserveCapacity(order.count)
        numbers.reserveCapacity(order.count)
        for index in order {
            if times.last == timestamps[index] {
                numbers[numbers.count - 1] = values[index]
            } else {
                times.append(timestamps[index])
                numbers.append(values[index])
            }
        }
        timestamps = times
        values = numbers
    }

    /// Leaves out what is outside `range`. After ``settle()``.
    mutating func clip(to range: ClosedRange<Int64>) {
        if let last = timestamps.last, last > range.upperBound {
            let end = timestamps.firstIndex { $0 > range.upperBound } ?? timestamps.count
            timestamps.removeSubrange(end...)
            values.removeSubrange(end...)
        }
        if let first = timestamps.first, first < range.lowerBound {
            let start = timestamps.firstIndex { $0 >= range.lowerBound } ?? timestamps.count
            timestamps.removeSubrange(..<start)
            values.removeSubrange(..<start)
        }
    }
}
