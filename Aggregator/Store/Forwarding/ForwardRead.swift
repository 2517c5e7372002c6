import Telemetry
import WireFormat

/// Gathers the samples of one batch, block after block.
struct ForwardRead {
    private let until: ForwardPosition?
    private let samplesMax: Int
    private(set) var place: ForwardPosition
    private let start: ForwardPosition
    private var columns: [SeriesID: (timestamps: [Int64], values: [Double])] = [:]
    private var count = 0
    private var scanned = 0
    private var losses: [ForwardLoss: Int] = [:]

    init(from: ForwardPosition, until: ForwardPosition?, samplesMax: Int) {
        place = from
        start = from
        self.until = until
        self.samplesMax = samplesMax
    }

    /// - Returns: false when the batch ends before the block.
    mutating func begins(_ row: ForwardFile.Row) -> Bool {
        if let until, until <= ForwardPosition(block: row.id) { return false }
        guard count < samplesMax, scanned < TenantStore.forwardScanSamplesMax || until != nil else { return false }
        if row.id > place.block { place = ForwardPosition(block: row.id) }
        return true
    }

    /// The block is done with.
    /// - Returns: whether to go on.
    mutating func passes(_ row: ForwardFile.Row) -> Bool {
        place = ForwardPosition(block: row.id + 1)
        return true
    }

    mutating func loses(_ row: ForwardFile.Row, _ reason: ForwardLoss) -> Bool {
        losses[reason, default: 0] += max(0, row.records - place.sample)
        return passes(row)
    }

    /// - Parameters:
    ///   - oldest: milliseconds; earlier samples are beyond the retention.
    ///   - cuts: the times at which a series' samples are deleted.
    /// - Returns: whether to go on with the next block.
    mutating func takes(
        _ row: ForwardFile.Row, _ decoder: MetricBlockDecoder, _ set: TableSet, oldest: Int64,
        isWanted: (SeriesID) -> Bool, cuts: (SeriesID) -> [ClosedRange<Int64>]
    ) -> Bool {
        let end = until.flatMap { $0.block == row.id ? $0.sample : nil } ?? .max
        var number = 0
        let values = decoder.allValues
        for group in decoder.groups {
            let times = decoder.timestamps[group.timestamps]
            for (position, place) in group.series.enumerated() {
                let first = max(0, self.place.sample - number)
                let base = number
                number += times.count
                guard first < times.count else { continue }
                let index = Int(decoder.series[place])
                let id = index < set.ids.count ? set.ids[index] : .none
                let isWanted = id != .none && isWanted(id)
                // Only what is handed on takes of the room.
                let room = isWanted ? min(times.count - first, samplesMax - count) : times.count - first
                let last = min(end - base, first + room)
                if first < last, isWanted {
                    let deleted = cuts(id)
                    for sample in first..<last {
                        let time = times[times.startIndex + sample] &+ row.shift
                        let value = values[group.values.lowerBound + position * times.count + sample]
                        add(id, time, value, oldest: oldest, deleted)
                    }
                }
                scanned += max(0, last - first)
                guard last == times.count else {
                    self.place = ForwardPosition(block: row.id, sample: base + max(first, last))
                    return false
                }
            }
        }
        return passes(row)
    }

    private mutating func add(
        _ id: SeriesID, _ time: Int64, _ value: Double, oldest: Int64, _ deleted: [ClosedRange<Int64>]
    ) {
        if value.bitPattern == TenantStore.erasedBits || deleted.contains(where: { $0.contains(time) }) {
            losses[.deleted, default: 0] += 1
        } else if time < oldest {
            losses[.retention, default: 0] += 1
        } else {
            columns[id, default: ([], [])].timestamps.append(time)
            columns[id]?.values.append(value)
            count += 1
        }
    }

    /// - Returns: nil when nothing was looked at.
    func finish() -> ForwardBatch? {
        // What a repetition is to end with may be gone.
        let end = max(place, until ?? place)
        guard end > start else { return nil }
        var batch = ForwardBatch(end: end)
        batch.losses = losses
        for (id, column) in columns.sorted(by: { $0.key < $1.key }) {
            let series = Self.settled(id, column.timestamps, column.values)
            batch.sampleCount += series.values.count
            batch.series.append(series)
        }
        return batch
    }

    /// By time, each time once: of several values the one committed last.
    private static func settled(_ id: SeriesID, _ times: [Int64], _ values: [Double]) -> ForwardBatch.Series {
        let isOrdered = times.indices.dropFirst().allSatisfy { times[$0 - 1] < times[$0] }
        if isOrdered { return ForwardBatch.Series(id: id, timestamps: times, values: values) }
        var series = ForwardBatch.Series(id: id, timestamps: [], values: [])
        for index in times.indices.sorted(by: { (times[$0], $0) < (times[$1], $1) }) {
            if times[index] == series.timestamps.last {
                series.values[series.values.count - 1] = values[index]
            } else {
                series.timestamps.append(times[index])
                series.values.append(values[index])
            }
        }
        return series
    }
}
