import Telemetry
import WireFormat

/// A block of pushed samples, encoded and not stored yet.
package struct PushedBlock: Sendable {
    let tables: [TableReference]
    let batch: MetricBatch
    /// One zstd frame.
    let body: [UInt8]

    /// About what it takes until it is stored.
    package var memoryBytes: Int { body.count + 8 * batch.sampleCount + 256 }
}

/// Makes blocks of pushed samples: series with the same times share a group, each table is named once.
struct PushedBlockBuilder {
    /// Of one block: below what a block's 4 MiB hold at 9 B per sample.
    static let samplesMax = 262_144

    private struct GroupKey: Hashable {
        let ordinal: Int
        let times: ArraySlice<Int64>
    }
    private struct Group {
        let ordinal: Int
        let times: ArraySlice<Int64>
        var series: [UInt32] = []
        var values: [Double] = []
    }

    private let known: ArraySlice<PushedTable>
    /// How many of `known` lie before the last series.
    private var place: Int
    private var tables: [PushedTable] = []
    /// Series in all tables but the last.
    private var base: UInt32 = 0
    private var groups: [Group] = []
    private var byTimes: [GroupKey: Int] = [:]
    /// The group that the last piece went to; the next one mostly has the same times.
    private var recent = 0
    private var samples = 0

    private init(_ known: ArraySlice<PushedTable>) {
        self.known = known
        place = known.startIndex
    }

    /// - Parameters:
    ///   - pieces: ascending by series.
    ///   - tables: ascending by id; they hold every series of the pieces.
    static func blocks(of pieces: [SampleWrite.Piece], tables: [PushedTable]) throws -> [PushedBlock] {
        var builder = PushedBlockBuilder(tables[...])
        var blocks: [PushedBlock] = []
        for piece in pieces {
            if builder.isFull(for: piece) {
                try builder.finish(into: &blocks)
                builder = PushedBlockBuilder(builder.known[builder.place...])
            }
            builder.add(piece)
        }
        try builder.finish(into: &blocks)
        return blocks
    }

    private func isFull(for piece: SampleWrite.Piece) -> Bool {
        guard samples > 0 else { return false }
        return samples + piece.timestamps.count > Self.samplesMax || groups.count >= MetricBlock.groupsMax
            || (tables.count >= MetricBlock.tablesMax && (tables.last?.end ?? 0) <= piece.series.rawValue)
    }

    private mutating func add(_ piece: SampleWrite.Piece) {
        while place < known.endIndex, known[place].end <= piece.series.rawValue { place += 1 }
        guard place < known.endIndex else { return }
        let table = known[place]
        if tables.last?.start != table.start {
            base += tables.last?.reference.count ?? 0
            tables.append(table)
        }
        if recent >= groups.count || groups[recent].ordinal != piece.ordinal || groups[recent].times != piece.timestamps
        {
            recent = group(of: piece)
        }
        groups[recent].series.append(base + piece.series.rawValue - table.start)
        groups[recent].values.append(contentsOf: piece.values)
        samples += piece.timestamps.count
    }

    private mutating func group(of piece: SampleWrite.Piece) -> Int {
        let key = GroupKey(ordinal: piece.ordinal, times: piece.timestamps)
        if let known = byTimes[key] { return known }
        byTimes[key] = groups.count
        groups.append(Group(ordinal: piece.ordinal, times: piece.timestamps))
        return groups.count - 1
    }

    private func finish(into blocks: inout [PushedBlock]) throws {
        guard samples > 0 else { return }
        // The pieces of one series have to ascend from group to group.
        let ordered = groups.sorted { $0.ordinal < $1.ordinal }
        let batch = MetricBatch(
            groups: ordered.map {
                MetricBatch.Group(timestamps: Array($0.times), series: $0.series, values: $0.values)
            })
        let references = tables.map(\.reference)
        let body = try CodecPool.shared.use { try $0.body.compress(try $0.metrics.encode(batch, tables: references)) }
        blocks.append(PushedBlock(tables: references, batch: batch, body: body))
    }
}
