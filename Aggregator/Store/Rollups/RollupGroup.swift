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

    /// What of rollups is asked for; the rest need not be decoded, and says nothing then.
    struct Fields: OptionSet, Sendable {
        let rawValue: UInt8
        static let count = Fields(rawValue: 1)
        static let sum = Fields(rawValue: 2)
        static let min = Fields(rawValue: 4)
        static let max = Fields(rawValue: 8)
        static let first = Fields(rawValue: 16)
        static let last = Fields(rawValue: 32)
        static let increase = Fields(rawValue: 64)
        static let all = Fields(rawValue: 127)
    }

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
    static func decode(_ group: ChunkGroupReader, _ id: UInt32, _ fields: Fields = .all) throws -> Series? {
        guard let position = group.position(of: UInt64(id) * fieldsMax) else { return nil }
        let stamps = group.timestamps(position)
        func place(_ field: Field) -> Int? { group.position(of: UInt64(id) * fieldsMax + field.rawValue) }
        func column(_ field: Field, _ isWanted: Bool) throws -> [Double]? {
            guard isWanted, let position = place(field) else { return nil }
            let values = try group.values(position)
            guard values.count == stamps.count else { throw WireError.invalid("rollup columns") }
            return values
        }
        let keepsIncrease = place(.increase) != nil
        // What is left out follows from others, see above.
        let sum = try column(.sum, fields.contains(.sum))
        let min = try column(.min, fields.contains(.min))
        let takesFirst = fields.contains(.first) || fields.contains(.min) && min == nil && keepsIncrease
        let first = try column(.first, takesFirst)
        let increase = try column(.increase, fields.contains(.increase) || takesFirst && first == nil)
        let takesMax = fields.contains(.max) || fields.contains(.min) && min == nil && !keepsIncrease
        let max = try column(.max, takesMax)
        let takesSum = fields.contains(.sum) && sum == nil
        let count = try column(.count, fields.contains(.count) || takesSum)
        let takesLast =
            fields.contains(.last) || takesSum || takesMax && max == nil || takesFirst && first == nil
        let last = try column(.last, takesLast)
        guard !takesLast || last != nil else { throw WireError.invalid("rollup columns") }
        var rollups: [Rollup] = []
        rollups.reserveCapacity(stamps.count)
        for index in stamps.indices {
            let latest = last?[index] ?? 0
            let highest = max?[index] ?? latest
            let earliest = first?[index] ?? (increase.map { latest - $0[index] } ?? latest)
            let number = count?[index] ?? 1
            rollups.append(
                Rollup(
                    stamp: stamps[index], count: number, sum: sum?[index] ?? number * latest,
                    min: min?[index] ?? (keepsIncrease ? earliest : highest), max: highest, first: earliest,
                    last: latest, increase: increase?[index] ?? 0))
        }
        return Series(id: id, rollups: rollups, keepsIncrease: keepsIncrease)
    }

    /// The series that a group holds, ascending.
    static func series(in group: ChunkGroupReader) -> [UInt32] {
        group.series.compactMap { $0 % fieldsMax == 0 ? UInt32(truncatingIfNeeded: $0 / fieldsMax) : nil }
    }
}
