import RuntimeSupport
import Telemetry

/// What an agent's level-0 blocks hold, as one query reads it: a snapshot.
enum NewestSamples: Sendable {
    case columns(RecentColumns)
    /// Where there is no room for columns.
    case blocks(ListedBlocks)

    /// Calls `body` with the windows of level 1 that have samples in range; with some more than once.
    func forEachWindow(in range: ClosedRange<Int64>, _ body: (Int64) -> Void) {
        switch self {
        case .columns(let columns): columns.forEachWindow(in: range, body)
        case .blocks(let blocks):
            for group in blocks.groups {
                guard let first = group.group.timestamps[group.kept].first else { continue }
                let windows = RollupChoice.window(of: first &+ group.shift)...RollupChoice.window(of: group.last)
                for window in windows { body(window) }
            }
        }
    }
}

extension TenantStore {
    /// An agent's level-0 samples by series; nil when there is no room for them.
    ///
    /// - Parameter ids: those that will be asked for, ascending; where there is no room for all, the columns may hold no
    ///   others. Nil: not known.
    /// - Complexity: some nanoseconds for each sample that was committed since it was asked for last.
    func recentColumns(of agent: AgentNumber, for ids: [UInt32]?) throws -> RecentColumns? {
        guard !head.blocks(of: agent).isEmpty else { return RecentColumns() }
        let now = Int64(time.monotonicNanoseconds / 1_000_000)
        let entry = head.columns.entry(of: agent, now: now)
        // After the entry, see ``ColumnShelf``.
        let blocks = head.blocks(of: agent)
        let bytes = blocks.reduce(0) { $0 + Int($1.records) } * RecentColumns.sampleBytes
        if head.columns.admit(entry, of: agent, bytes: bytes, isPartial: false, now: now) {
            let columns = try entry.extended { columns in
                if columns.isPartial { columns = RecentColumns() }
                if try extend(&columns, by: blocks, of: agent) {
                    head.forgetDecoded(of: agent, butNewest: StoreLimits.headDecodedBlocksMin)
                }
            }
            return columns
        }
        guard let ids, ids.count <= StoreLimits.columnSeriesMax, !head.columns.isRefused(agent, now: now) else {
            return nil
        }
        let columns = try entry.extended { columns in
            if !columns.isPartial || !ids.allSatisfy(columns.covers) {
                // What others ask for stays.
                let keepsOthers = columns.isPartial && columns.ids.count <= StoreLimits.columnSeriesMax
                columns = RecentColumns(only: keepsOthers ? Set(columns.ids).union(ids) : Set(ids))
            }
            _ = try extend(&columns, by: blocks, of: agent)
        }
        let isAdmitted = head.columns.admit(
            entry, of: agent, bytes: columns.bytes, isPartial: true, now: now)
        guard isAdmitted else {
            head.columns.refuse(agent, now: now)
            return nil
        }
        return columns
    }

    /// - Returns: whether anything was added.
    private func extend(_ columns: inout RecentColumns, by blocks: [Head.Block], of agent: AgentNumber) throws -> Bool {
        var hasAdded = false
        for block in blocks where block.id > columns.through {
            // What was merged meanwhile is found in the chunks, which are listed later.
            if let (tables, batch) = try decoded(block, of: agent) {
                columns.add(batch, tables, shift: block.shift)
                hasAdded = true
            }
            columns.noteAdded(block.id)
        }
        return hasAdded
    }
}
