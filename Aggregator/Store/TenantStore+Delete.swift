import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry

extension TenantStore {
    /// Deletes the samples in `range` of every series that one of the selectors matches. Durable, and applied by every
    /// read that begins afterwards, when it returns; ``cleanDeletions()`` and compaction take the samples out of the
    /// files. See ``Deletion`` for what happens to samples that arrive afterwards. Any thread.
    /// - Returns: how many series it concerns.
    /// - Throws: ``StoreError`` with code `limit` beyond ``StoreLimits/deletionsMax`` remembered deletions.
    /// - Complexity: O(series); waits for the commit that is under way.
    package func delete(_ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>) throws -> Int {
        try throwing {
            // A commit either lies before, with its blocks below the boundary and its series in the index, or after.
            try commitGate.withLock { _ in
                guard deletions.current.all.count < StoreLimits.deletionsMax else {
                    throw StoreError(
                        .limit, tenant: tenant,
                        "\(StoreLimits.deletionsMax) deletions are remembered; run clean_tombstones, or delete with one "
                            + "matcher what several deletions name")
                }
                if state.withLock({ $0.isStale }) { try refresh() }
                var ids = Set<SeriesID>()
                for matchers in selectors { ids.formUnion(index.select(matchers, in: range)) }
                guard !ids.isEmpty else { return 0 }
                let (boundary, generation) = state.withLock { ($0.nextBlock, $0.generation) }
                let deletion = Deletion(
                    id: deletions.nextID(now: time.now), at: time.now.milliseconds,
                    range: range.lowerBound.milliseconds...range.upperBound.milliseconds,
                    series: ids.map(\.rawValue).sorted(), boundary: boundary, generation: generation)
                try deletions.insert(deletion)
                try faults.pass(.afterDeletionNote)
                try unlist(deletion)
                metrics.add("stagebox_store_deletions_total")
                return ids.count
            }
        }
    }

    /// Takes the deleted times out of the index' bounds. Nothing may be committed meanwhile.
    func unlist(_ deletion: Deletion) throws {
        index.clip(deletion.series.map { SeriesID($0) }, deletion.range)
        tables.forgetTouched()
        try indexFile.save(index)
        try deletions.noteListed(deletion.id)
    }

    /// Takes everything deleted out of the files now. Any thread; other upkeep waits for its steps.
    package func cleanDeletions() throws {
        try throwing {
            while try upkeepGate.withLock({ _ in try eraseStep() }) {}
        }
    }

    /// What an erasure has still to look at.
    struct Erasure {
        let id: Int64
        /// Whose blocks may hold samples of it.
        var agents: [AgentNumber]
        var days: [Int64]
        var units: [(tier: Int, file: Int64)]
        /// From which block on to look at what waits to be forwarded; nil: done.
        var forwarded: Int64? = 0
    }

    /// One bounded piece of the oldest deletion's work: an agent's blocks to chunks without what is deleted, or one
    /// window written anew. When nothing is left the files are written without their free pages.
    ///
    /// Crash-safe: each piece is one transaction, and the deletion counts as erased after the last one only.
    /// - Returns: whether there was something to do.
    func eraseStep() throws -> Bool {
        guard let deletion = deletions.current.all.first(where: { !$0.isErased }) else { return false }
        var plan = erasure.withLock { $0 }
        if plan?.id != deletion.id { plan = makePlan(deletion) }
        guard var plan else { return false }
        defer { erasure.withLock { $0 = plan } }
        let generation = state.withLock { $0.generation }
        if deletion.generation == generation {
            for agent in plan.agents where head.blocks(of: agent).contains(where: { $0.id < deletion.boundary }) {
                _ = try compact(agent, StoreLimits.compactionSamplesMax)
                return true
            }
        }
        if let next = plan.forwarded {
            plan.forwarded = try eraseForwarded(deletion, from: next)
            return true
        }
        while let day = plan.days.first {
            if let window = try nextWindow(of: deletion, day) {
                _ = try mergeParts(window, isErasing: true)
                try faults.pass(.whileErasing)
                return true
            }
            plan.days.removeFirst()
        }
        while let (tier, file) = plan.units.first {
            if let unit = try nextUnit(of: deletion, rollups[tier], file) {
                try mergeUnit(rollups[tier], unit, isErasing: true)
                try faults.pass(.whileErasing)
                return true
            }
            try onFile(rollups[tier], file, creating: false) { try $0.removeTraces() }
            plan.units.removeFirst()
        }
        try faults.pass(.beforeErased)
        let range = CivilDay.day(of: deletion.range.lowerBound)...CivilDay.day(of: deletion.range.upperBound)
        for day in days.days(in: range) {
            try onDay(day, creating: false) { try $0.removeTraces() }
        }
        try ingest.use { database in
            try database.vacuum(inMemory: true)
            try database.checkpoint(.truncate)
        }
        // Series of which nothing is left make room; their tables bring them back when they have samples again.
        try forgetSeries { $0.removeUnused(of: deletion.series) }
        try indexFile.save(index)
        try deletions.noteErased(deletion.id)
        metrics.add("stagebox_store_deletions_erased_total")
        return true
    }

    private func makePlan(_ deletion: Deletion) -> Erasure {
        var owners = Set<AgentNumber>()
        for id in deletion.series {
            if let agent = index.agent(of: SeriesID(id)) { owners.insert(agent) }
            owners.formUnion(index.sharers(of: SeriesID(id)))
        }
        let range = CivilDay.day(of: deletion.range.lowerBound)...CivilDay.day(of: deletion.range.upperBound)
        let units = rollups.indices.flatMap { tier in
            let days = rollups[tier].tier.daysPerFile
            let files = RollupTier.floor(range.lowerBound, days)...RollupTier.floor(range.upperBound, days)
            return rollups[tier].files.days(in: files).map { (tier, $0) }
        }
        return Erasure(id: deletion.id, agents: owners.sorted(), days: days.days(in: range), units: units)
    }

    /// A unit of that file with a group that may hold rollups of what is deleted.
    private func nextUnit(of deletion: Deletion, _ tier: RollupFiles, _ key: Int64) throws -> WindowParts.Key? {
        var found: WindowParts.Key?
        try onFile(tier, key, creating: false) { found = try Self.place(of: deletion, in: $0) }
        return found
    }

    private static func place(of deletion: Deletion, in file: DayFile) throws -> WindowParts.Key? {
        let marks = try file.marks()
        return try file.allRows().first { row in
            (marks[row.id] ?? 0) < deletion.id && deletion.range.overlaps(row.first...max(row.first, row.last))
                && deletion.hasSeries(in: row.low...max(row.low, row.high))
        }.map { row in
            WindowParts.Key(day: file.day, agent: row.agent, window: row.window, slice: row.slice)
        }
    }

    /// A window of that day with a group that may hold samples of the deletion.
    private func nextWindow(of deletion: Deletion, _ day: Int64) throws -> WindowParts.Key? {
        var found: WindowParts.Key?
        do {
            try onDay(day, creating: false) { found = try Self.place(of: deletion, in: $0) }
        } catch let error as SQLiteError where error.isDamage {
            return nil  // set aside and reported
        }
        return found
    }

    /// Forgets deletions whose late samples have had their time.
    func forgetDeletions() throws {
        let cut = time.now.milliseconds &- StoreLimits.deletionMemoryMilliseconds
        for deletion in deletions.current.all where deletion.isErased && deletion.at < cut {
            try deletions.forget(deletion.id)
        }
    }
}

extension Deletion {
    func hasSeries(in range: ClosedRange<UInt32>) -> Bool {
        var low = 0
        var high = series.count
        while low < high {
            let middle = (low + high) / 2
            if series[middle] < range.lowerBound { low = middle + 1 } else { high = middle }
        }
        return low < series.count && series[low] <= range.upperBound
    }
}
