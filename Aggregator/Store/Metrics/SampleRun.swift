import Telemetry

/// Samples of one series gathered from several places, in the order of their commits.
struct SampleRun {
    private(set) var timestamps: [Int64] = []
    private(set) var values: [Double] = []
    /// Indexes of anomalous samples, ascending.
    private(set) var anomalies: [Int] = []
    /// Where the counter's start changes: from `index` on it is `start` (milliseconds, 0 unknown).
    private(set) var starts: [(index: Int, start: Int64)] = []
    private(set) var isOrdered = true

    var isEmpty: Bool { timestamps.isEmpty }

    mutating func removeAll() {
        timestamps.removeAll(keepingCapacity: true)
        isOrdered = true
        values.removeAll(keepingCapacity: true)
        anomalies.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
    }

    /// Appends the times of samples, which ascend strictly; their values follow by ``append(values:start:)``.
    mutating func append(times: UnsafeBufferPointer<Int64>, shift: Int64) {
        guard let first = times.first else { return }
        if let last = timestamps.last, first &+ shift <= last { isOrdered = false }
        if shift == 0 {
            timestamps.append(contentsOf: times)
        } else {
            timestamps.append(contentsOf: times.lazy.map { $0 &+ shift })
        }
    }

    mutating func append(values numbers: UnsafeBufferPointer<Double>, start: Int64) {
        if (starts.last?.start ?? 0) != start { starts.append((values.count, start)) }
        values.append(contentsOf: numbers)
    }

    mutating func append(repeating value: Double, count: Int, start: Int64) {
        if (starts.last?.start ?? 0) != start { starts.append((values.count, start)) }
        values.append(contentsOf: repeatElement(value, count: count))
    }

    /// Marks the sample at `index`, which is higher than any marked before.
    mutating func markAnomaly(_ index: Int) { anomalies.append(index) }

    /// Appends one series of a group.
    mutating func append(_ group: MetricBatch.Group, position: Int, shift: Int64 = 0) {
        let count = group.timestamps.count
        let base = values.count
        group.timestamps.withUnsafeBufferPointer { append(times: $0, shift: shift) }
        let start = group.startTimestamps.isEmpty ? 0 : group.startTimestamps[position]
        group.values.withUnsafeBufferPointer { all in
            append(
                values: UnsafeBufferPointer(rebasing: all[position * count..<(position + 1) * count]),
                start: start == 0 ? 0 : start &+ shift)
        }
        guard !group.anomalies.isEmpty else { return }
        for index in 0..<count where group.isAnomalous(position * count + index) { markAnomaly(base + index) }
    }

    /// The same without the samples at some times, after the shift.
    mutating func append(
        _ group: MetricBatch.Group, position: Int, shift: Int64, without cuts: [ClosedRange<Int64>]
    ) {
        let count = group.timestamps.count
        let start = group.startTimestamps.isEmpty ? 0 : group.startTimestamps[position]
        append(
            group.timestamps.map { $0 &+ shift }, Array(group.values[position * count..<(position + 1) * count]),
            start: start == 0 ? 0 : start &+ shift,
            anomalies: (0..<count).filter { group.isAnomalous(position * count + $0) }, without: cuts)
    }

    /// Appends one series of a chunk.
    /// - Parameter cuts: times that are left out.
    mutating func append(
        _ times: [Int64], _ numbers: [Double], start: Int64, anomalies marks: [Int],
        without cuts: [ClosedRange<Int64>] = []
    ) {
        guard cuts.isEmpty else {
            let kept = times.indices.filter { index in !cuts.contains { $0.contains(times[index]) } }
            let marked = Set(marks)
            return append(
                kept.map { times[$0] }, kept.map { numbers[$0] }, start: start,
                anomalies: kept.indices.filter { marked.contains(kept[$0]) })
        }
        let base = values.count
        times.withUnsafeBufferPointer { append(times: $0, shift: 0) }
        numbers.withUnsafeBufferPointer { append(values: $0, start: start) }
        anomalies.append(contentsOf: marks.lazy.map { base + $0 })
    }

    /// Appends another settled run of the same series.
    mutating func append(_ other: SampleRun) {
        let base = values.count
        other.timestamps.withUnsafeBufferPointer { append(times: $0, shift: 0) }
        if (starts.last?.start ?? 0) != 0, other.starts.first?.index != 0 { starts.append((base, 0)) }
        for entry in other.starts where (starts.last?.start ?? 0) != entry.start {
            starts.append((base + entry.index, entry.start))
        }
        values.append(contentsOf: other.values)
        anomalies.append(contentsOf: other.anomalies.lazy.map { base + $0 })
    }

    /// Orders by time. Of several samples at one time the one appended last stays: equal ones become one, and of
    /// different ones the last committed wins.
    mutating func settle() {
        guard !isOrdered else { return }
        let order = timestamps.indices.sorted {
            timestamps[$0] == timestamps[$1] ? $0 < $1 : timestamps[$0] < timestamps[$1]
        }
        let marked = Set(anomalies)
        let known = expandedStarts()
        var settled = SampleRun()
        settled.timestamps.reserveCapacity(order.count)
        settled.values.reserveCapacity(order.count)
        for (place, index) in order.enumerated() {
            if place + 1 < order.count, timestamps[order[place + 1]] == timestamps[index] { continue }
            let start = known.isEmpty ? 0 : known[index]
            if (settled.starts.last?.start ?? 0) != start { settled.starts.append((settled.values.count, start)) }
            if marked.contains(index) { settled.anomalies.append(settled.values.count) }
            settled.timestamps.append(timestamps[index])
            settled.values.append(values[index])
        }
        self = settled
    }

    /// The start of each sample's counter; empty when none is known.
    func expandedStarts() -> [Int64] { CounterStarts.expanded(starts, count: values.count) }

    /// Hands the samples on. After ``settle()``.
    func column<Result>(_ body: (SampleColumn) throws -> Result) rethrows -> Result {
        try timestamps.withUnsafeBufferPointer { times in
            try values.withUnsafeBufferPointer { values in
                try body(
                    SampleColumn(
                        times: times, values: values.baseAddress, constant: 0, anomalies: anomalies, starts: starts))
            }
        }
    }

    /// Leaves out what is outside `range`. After ``settle()``.
    mutating func clip(to range: ClosedRange<Int64>) {
        guard let first = timestamps.first, let last = timestamps.last else { return }
        guard first < range.lowerBound || last > range.upperBound else { return }
        let low = timestamps.firstIndex { $0 >= range.lowerBound } ?? timestamps.count
        let high = timestamps.firstIndex { $0 > range.upperBound } ?? timestamps.count
        let known = expandedStarts()
        timestamps = Array(timestamps[low..<max(low, high)])
        values = Array(values[low..<max(low, high)])
        anomalies = anomalies.filter { $0 >= low && $0 < high }.map { $0 - low }
        starts.removeAll()
        guard !known.isEmpty else { return }
        for index in values.indices where (starts.last?.start ?? 0) != known[low + index] {
            starts.append((index, known[low + index]))
        }
    }
}
