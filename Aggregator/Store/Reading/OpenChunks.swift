import Compression
import SQLite
import WireFormat

/// The chunk groups of one agent in a time range, opened where series are asked for. One thread's own.
///
/// Memory: the groups that hold one id stay open, up to ``bytesMax``; beyond it they are opened for each series (from
/// ``ChunkCache`` if they still are there).
final class OpenChunks {
    static let bytesMax = 64 << 20

    private let store: TenantStore
    private let agent: AgentNumber
    private let range: ClosedRange<Int64>
    private let marksDeletions: Bool
    /// What rollups answer for is left out.
    private let rolled: RolledWindows?
    private let decompressor: ZstdDecompressor
    private var rows: [Listed]?
    /// The listed groups that may hold ids in ``activeIDs``, in the order of commit.
    private var active: [Active] = []
    private var activeIDs: ClosedRange<UInt32>?
    private var activeBytes = 0
    private var damaged = Set<ChunkCache.Key>()
    var damagedCount: Int { damaged.count }

    private struct Listed {
        let day: Int64
        let row: DayFile.Row
        let key: ChunkCache.Key
        /// The highest deletion that it was written under; 0 unless there are deletions.
        let applied: Int64
    }
    private struct Active {
        let listed: Listed
        var reader: ChunkGroupReader?
        /// Where the series asked for next probably stands.
        var next = 0
    }

    init(_ scope: ReadScope, _ agent: AgentNumber) throws {
        decompressor = try CodecPool.shared.takeDecompressor()
        store = scope.store
        range = scope.range
        marksDeletions = !scope.deleted.isEmpty
        rolled = try scope.rolled(of: agent)
        self.agent = agent
    }

    deinit { CodecPool.shared.give(back: decompressor) }

    /// Groups that may hold the series asked for last.
    var activeCount: Int { active.count }

    /// The last time in range that a group reaches, perhaps beyond the range; nil when there are no groups.
    func end() throws -> Int64? { try listedRows().map(\.row.last).max() }

    /// What is listed is listed anew: level-0 blocks that were listed since may have been merged away before.
    func forget() {
        rows = nil
        activeIDs = nil
    }

    /// Calls `each` with every group that holds the series, its position there and the highest deletion that the group
    /// was written under, in the order of commit. A group that
    /// was merged away meanwhile makes it start again: with `restart`, which is called before the first group, too.
    /// - Throws: SQLite's errors, ``StoreError`` `busy`. What `each` throws marks the group as damaged; it is left out from then on.
    func withGroups(
        around id: SeriesID, restart: () -> Void, each: (ChunkGroupReader, Int, _ applied: Int64) throws -> Void
    ) throws {
        try ReadRounds.run {
            restart()
            if try visit(id.rawValue, each) { return true }
            forget()
            return false
        }
    }

    /// - Returns: false when a listed group is gone.
    private func visit(_ id: UInt32, _ each: (ChunkGroupReader, Int, Int64) throws -> Void) throws -> Bool {
        try activate(id)
        for index in active.indices {
            let listed = active[index].listed
            guard !damaged.contains(listed.key) else { continue }
            var reader = active[index].reader
            if reader == nil {
                switch try open(listed) {
                case .gone: return false
                case .damaged: continue
                case .opened(let group):
                    let opened = ChunkGroupReader(group.opened, decompressor: decompressor, frames: group)
                    reader = opened
                    if activeBytes + group.opened.costBytes <= Self.bytesMax {
                        activeBytes += group.opened.costBytes
                        active[index].reader = opened
                    }
                }
            }
            guard let reader else { continue }
            guard let position = reader.position(of: UInt64(id), near: active[index].next) else { continue }
            active[index].next = position + 1
            do {
                try each(reader, position, listed.applied)
            } catch {
                markDamaged(listed, "\(error)")
            }
        }
        return true
    }

    /// Makes ``active`` hold what may hold `id`, and notes for which ids that stays so.
    private func activate(_ id: UInt32) throws {
        if let activeIDs, activeIDs.contains(id) { return }
        let rows = try listedRows()
        var through = UInt32.max
        var kept: [ChunkCache.Key: Active] = [:]
        for entry in active where entry.reader != nil { kept[entry.listed.key] = entry }
        active.removeAll(keepingCapacity: true)
        activeBytes = 0
        for listed in rows {
            if listed.row.low > id {
                through = min(through, listed.row.low - 1)
            } else if listed.row.high >= id {
                through = min(through, listed.row.high)
                let entry = kept[listed.key] ?? Active(listed: listed)
                activeBytes += entry.reader?.group.costBytes ?? 0
                active.append(entry)
            }
        }
        activeIDs = id...through
    }

    private enum Opening {
        case opened(CachedChunkGroup)
        case damaged
        case gone
    }

    private func open(_ listed: Listed) throws -> Opening {
        let cache = store.configuration.chunkCache
        if let group = cache[listed.key] { return .opened(group) }
        guard let body = try body(listed) else { return .gone }
        do {
            let group = CachedChunkGroup(try OpenedChunkGroup(body, decompressor: decompressor))
            cache.insert(group, listed.key)
            return .opened(group)
        } catch {
            markDamaged(listed, "\(error)")
            return .damaged
        }
    }

    private func markDamaged(_ listed: Listed, _ finding: String) {
        guard damaged.insert(listed.key).inserted else { return }
        store.report(
            DayFiles.name(listed.day), "chunk group \(listed.row.id): \(finding)", "its samples are left out")
    }

    private func body(_ listed: Listed) throws -> [UInt8]? {
        var found: [UInt8]?
        // A damaged day file is set aside and costs that day.
        do {
            try store.onDay(listed.day, creating: false) { found = try $0.body(of: listed.row.id) }
        } catch let error as SQLiteError where error.isDamage {
            return nil
        }
        return found
    }

    private func listedRows() throws -> [Listed] {
        if let rows { return rows }
        var found: [Listed] = []
        let days = CivilDay.day(of: range.lowerBound)...CivilDay.day(of: range.upperBound)
        for day in store.days.days(in: days) {
            do {
                try store.onDay(day, creating: false) { file in
                    let marks = marksDeletions ? try file.marks() : [:]
                    for row in try file.rows(of: agent)
                    where row.first <= range.upperBound && row.last >= range.lowerBound
                        && rolled?.stands(for: row, of: day) != true
                    {
                        let key = ChunkCache.Key(file: file.number, group: row.id)
                        found.append(Listed(day: day, row: row, key: key, applied: marks[row.id] ?? 0))
                    }
                }
            } catch let error as SQLiteError where error.isDamage {
                continue
            }
        }
        rows = found
        return found
    }
}
