/// The samples of one series in the order of time, wherever they lie. Valid during the call that hands it out.
struct SampleColumn {
    /// Ascending strictly, milliseconds.
    let times: UnsafeBufferPointer<Int64>
    /// One per time; nil when every value is ``constant``.
    let values: UnsafePointer<Double>?
    let constant: Double
    /// Indexes of anomalous samples, ascending.
    let anomalies: [Int]
    /// Where the counter's start changes: from `index` on it is `start` (milliseconds, 0 unknown, as before the first).
    let starts: [(index: Int, start: Int64)]
}

/// The start of each sample's counter.
enum CounterStarts {
    static func expanded(_ starts: [(index: Int, start: Int64)], count: Int) -> [Int64] {
        guard !starts.isEmpty else { return [] }
        var all = [Int64](repeating: 0, count: count)
        for (number, entry) in starts.enumerated() {
            let end = number + 1 < starts.count ? starts[number + 1].index : count
            for index in entry.index..<end { all[index] = entry.start }
        }
        return all
    }
}
