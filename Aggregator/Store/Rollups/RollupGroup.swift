import Compression
import Telemetry
import WireFormat

/// Rollups of many series as one chunk group (WireFormat's FORMAT.md, "Chunk group"), see ROLLUPS.md beside this file:
/// a series' rollups are up to seven columns with the numbers `series × 8 + field`, all on one timeline of stamps.
///
/// What follows from other columns is left out, for the whole series or not at all:
///
///     0 count     always there
///     1 last      always there
///     2 increase  left out of gauges
///     3 max       last
///     4 first     last − increase; of gauges last
///     5 min       first where increase is kept, else max
///     6 sum       count × last
enum RollupGroup {
    enum Field: UInt64, CaseIterable { case count, last, increase, max, first, min, sum }
    static let fieldsMax: UInt64 = 8

    /// One series' rollups, ascending by stamp.
    struct Series {
        var id: UInt32
        var rollups: [Rollup]
        var keepsIncrease: Bool
    }

    /// - Parameter all: ascending by id, none empty; at most ``StoreLimits/chunkGroupSeriesMax``.
    static func encode(_ all: [Series]) throws -> [UInt8] {
        let encoder = try CodecPool.shared.takeEncoder()
        defer { CodecPool.shared.give(back: encoder) }
        encoder.begin(timelines: [], seriesMax: StoreLimits.chunkGroupSeriesMax * Int(fieldsMax))
        var timelines: [[Int64]: Int] = [:]
        for series in all {
            let stamps = series.rollups.map(\.stamp)
            let timeline = timelines[stamps] ?? encoder.addTimeline(stamps)
            timelines[stamps] = timeline
            for (field, values) in columns(of: series) {
                try values.withUnsafeBufferPointer {
                    try encoder.add(
                        series: UInt64(series.id) * fieldsMax + field.rawValue, timeline: timeline, values: $0)
                }
            }
        }
        return try encoder.finish()
    }

    private static func columns(of series: Series) -> [(Field, [Double])] {
        let rollups = series.rollups
        var columns: [(Field, [Double])] = [(.count, rollups.map(\.count)), (.last, rollups.map(\.last))]
        func keep(_ field: Field, _ value: (Rollup) -> Double, unless derived: (Rollup) -> Double) {
            guard rollups.contains(where: { value($0).bitPattern != derived($0).bitPattern }) else { return }
            columns.append((field, rollups.map(value)))
        }
        if series.keepsIncrease {
            columns.append((.increase, rollups.map(\.increase)))
            keep(.max, \.max, unless: \.last)
            keep(.first, \.first, unless: { $0.last - $0.increase })
            keep(.min, \.min, unless: \.first)
        } else {
            keep(.max, \.max, unless: \.last)
            keep(.min, \.min, unless: \.max)
        }
        keep(.sum, \.sum, unless: { $0.count * $0.last })
        return columns
    }

    /// One series of a group; nil when it is not there.
    /// - Throws: ``WireError`` for columns that do not decode or are missing.
    static func decode(_ group: ChunkGroupReader, _ id: UInt32) throws -> Series? {
        guard let position = group.position(of: UInt64(id) * fieldsMax) else { return nil }
        let stamps = group.timestamps(position)
        let count = try group.values(position)
        func column(_ field: Field) throws -> [Double]? {
            guard let position = group.position(of: UInt64(id) * fieldsMax + field.rawValue) else { return nil }
            let values = try group.values(position)
            guard values.count == stamps.count else { throw WireError.invalid("rollup columns") }
            return values
        }
        guard let last = try column(.last) else { throw WireError.invalid("rollup columns") }
        let increase = try column(.increase)
        let (max, first) = (try column(.max), try column(.first))
        let (min, sum) = (try column(.min), try column(.sum))
        var rollups: [Rollup] = []
        rollups.reserveCapacity(stamps.count)
        for index in stamps.indices {
            let highest = max?[index] ?? last[index]
            let earliest = first?[index] ?? (increase.map { last[index] - $0[index] } ?? last[index])
            rollups.append(
                Rollup(
                    stamp: stamps[index], count: count[index], sum: sum?[index] ?? count[index] * last[index],
                    min: min?[index] ?? (increase == nil ? highest : earliest), max: highest, first: earliest,
                    last: last[index], increase: increase?[index] ?? 0))
        }
        return Series(id: id, rollups: rollups, keepsIncrease: increase != nil)
    }

    /// The series that a group holds, ascending.
    static func series(in group: ChunkGroupReader) -> [UInt32] {
        group.series.compactMap { $0 % fieldsMax == 0 ? UInt32(truncatingIfNeeded: $0 / fieldsMax) : nil }
    }
}
