import Compression
import SQLite
import Telemetry
import WireFormat

/// Reads one agent's samples over head, level 0 and level 1.
///
/// The list of level-0 blocks is taken first, the chunk groups after it: a block that is merged meanwhile is then
/// found in both (and merged away by time), never in neither. Holds no lock and no transaction between calls.
///
/// Memory: the agent's decoded level-0 blocks in range (a few minutes of its series, 8 B per sample), and chunk
/// bodies up to ``chunkBytesMax``, each with its directory (40 B per series) and four inflated frames of 256 KiB.
final class AgentReader {
    static let chunkBytesMax = 64 << 20

    let agent: AgentNumber
    private let store: TenantStore
    private let range: ClosedRange<Int64>
    private var blocks: [(tables: TableSet, samples: MetricBatch, shift: Int64, id: Int64)]?
    private var rows: [(day: Int64, row: DayFile.Row)]?
    private var marks: [ChunkKey: Int64] = [:]
    private var chunks: [ChunkKey: ChunkGroupReader] = [:]
    private var chunkBytes = 0
    private let decompressor: ZstdDecompressor
    /// Taken before the lists, so that what is not deleted any more is gone from what they list.
    private let deleted: DeletionSet
    private let isPushed: Bool
    private var damaged = Set<ChunkKey>()
    var damagedCount: Int { damaged.count }

    private struct ChunkKey: Hashable {
        let day: Int64
        let id: Int64
    }

    init(_ store: TenantStore, _ agent: AgentNumber, _ range: ClosedRange<Timestamp>) throws {
        decompressor = try ZstdDecompressor()
        self.store = store
        deleted = store.deletions.current
        isPushed = store.isPushed(agent)
        self.agent = agent
        self.range = range.lowerBound.milliseconds...range.upperBound.milliseconds
    }

    /// - Returns: the series' samples in range, settled; empty when there are none.
    func samples(of id: SeriesID) throws -> SampleRun {
        let blocks = try openBlocks()
        var run = SampleRun()
        // A group may be merged away between listing and reading; then the list is read again.
        for _ in 0..<3 {
            run.removeAll()
            if try appendChunks(of: id, to: &run) { break }
            rows = nil
        }
        for block in blocks {
            guard let number = block.tables.number(of: id) else { continue }
            let cuts = deleted.isEmpty ? [] : deleted.cuts(of: id.rawValue, block: block.id, isPushed: isPushed)
            for group in block.samples.groups {
                if let position = group.position(of: number) {
                    if cuts.isEmpty {
                        run.append(group, position: position, shift: block.shift)
                    } else {
                        run.append(group, position: position, shift: block.shift, without: cuts)
                    }
                }
            }
        }
        run.settle()
        run.clip(to: range)
        return run
    }

    // MARK: Level 0

    private func openBlocks() throws -> [(tables: TableSet, samples: MetricBatch, shift: Int64, id: Int64)] {
        if let blocks { return blocks }
        var opened: [(tables: TableSet, samples: MetricBatch, shift: Int64, id: Int64)] = []
        for block in store.head.blocks(of: agent)
        where block.first <= range.upperBound && block.last >= range.lowerBound {
            if let (tables, samples) = try store.decoded(block, of: agent) {
                opened.append((tables, samples, block.shift, block.id))
            }
        }
        blocks = opened
        return opened
    }

    // MARK: Level 1

    /// - Returns: false when a listed group is gone.
    private func appendChunks(of id: SeriesID, to run: inout SampleRun) throws -> Bool {
        for (day, row) in try openRows() where row.low <= id.rawValue && row.high >= id.rawValue {
            let key = ChunkKey(day: day, id: row.id)
            guard !damaged.contains(key) else { continue }
            var chunk = chunks[key]
            if chunk == nil {
                guard let body = try body(day, row.id) else { return false }
                chunk = open(body, key)
            }
            guard let chunk else { continue }
            do {
                guard let position = chunk.position(of: UInt64(id.rawValue)) else { continue }
                let start = chunk.startTimestamps.isEmpty ? 0 : chunk.startTimestamps[position]
                let cuts = deleted.isEmpty ? [] : deleted.cuts(of: id.rawValue, applied: marks[key] ?? 0)
                run.append(
                    chunk.timestamps(position), try chunk.values(position), start: start,
                    anomalies: chunk.anomalousPositions(position), without: cuts)
            } catch {
                markDamaged(key, "\(error)")
            }
        }
        return true
    }

    private func open(_ body: [UInt8], _ key: ChunkKey) -> ChunkGroupReader? {
        do {
            let chunk = try ChunkGroupReader(body, decompressor: decompressor)
            if chunkBytes + body.count > Self.chunkBytesMax {
                chunks.removeAll(keepingCapacity: true)
                chunkBytes = 0
            }
            chunks[key] = chunk
            chunkBytes += body.count
            return chunk
        } catch {
            markDamaged(key, "\(error)")
            return nil
        }
    }

    private func markDamaged(_ key: ChunkKey, _ finding: String) {
        guard damaged.insert(key).inserted else { return }
        store.report(DayFiles.name(key.day), "chunk group \(key.id): \(finding)", "its samples are left out")
    }

    private func body(_ day: Int64, _ id: Int64) throws -> [UInt8]? {
        var found: [UInt8]?
        // A damaged day file is set aside and costs that day.
        do {
            try store.onDay(day, creating: false) { found = try $0.body(of: id) }
        } catch let error as SQLiteError where error.isDamage {
            return nil
        }
        return found
    }

    private func openRows() throws -> [(day: Int64, row: DayFile.Row)] {
        if let rows { return rows }
        var found: [(day: Int64, row: DayFile.Row)] = []
        var marks: [ChunkKey: Int64] = [:]
        let days = CivilDay.day(of: range.lowerBound)...CivilDay.day(of: range.upperBound)
        for day in store.days.days(in: days) {
            do {
                try store.onDay(day, creating: false) { file in
                    for row in try file.rows(of: agent)
                    where row.first <= range.upperBound && row.last >= range.lowerBound { found.append((day, row)) }
                    if !deleted.isEmpty {
                        for (id, applied) in try file.marks() { marks[ChunkKey(day: day, id: id)] = applied }
                    }
                }
            } catch let error as SQLiteError where error.isDamage {
                continue
            }
        }
        rows = found
        self.marks = marks
        return found
    }
}
