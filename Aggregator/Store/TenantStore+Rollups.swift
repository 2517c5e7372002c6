import Compression
import RuntimeSupport
import SQLite
import Synchronization
import Telemetry
import WireFormat

// Rolling up: windows of level 1 that are closed and at rest become rollups of both tiers, beside them. Late data
// makes a new part of the window, so it is rolled up again, and the new rollups replace the old.
extension TenantStore {
    /// - Returns: whether there was something to do.
    func rollStep(isDraining: Bool) throws -> Bool {
        if try scanStep() { return true }
        guard RollupTier.allCases.contains(where: { retention.days(of: $0) > 0 }) else { return false }
        if let key = nextRoll(isDraining: isDraining) {
            try roll(key)
            return true
        }
        for tier in rollups {
            if let key = nextUnit(tier, isDraining: isDraining) {
                try mergeUnit(tier, key)
                return true
            }
        }
        return false
    }

    private func nextRoll(isDraining: Bool) -> WindowParts.Key? {
        let now = time.now.milliseconds
        return windowParts.dueForRolling { key, parts, notedAt in
            let end = WindowPlace(day: key.day, window: key.window, slice: 0).end
            return parts == 1 && end <= now &- StoreLimits.windowGraceMilliseconds
                && (isDraining || now &- notedAt >= StoreLimits.rollupRestMilliseconds)
        }
    }

    /// Rolls one window and slice up. Crash-safe: the window counts as rolled after its rollups are durable only, and
    /// rolling it again replaces them by equal ones.
    func roll(_ key: WindowParts.Key) throws {
        let deleted = deletions.current
        let place = WindowPlace(day: key.day, window: key.window, slice: key.slice)
        let merge = BlockMerge()
        var rows: [DayFile.Row] = []
        do {
            try onDay(key.day, creating: false) { file in
                rows = try file.rows(of: key.agent).filter { $0.window == key.window && $0.slice == key.slice }
                try read(rows, of: file, into: merge, without: deleted)
            }
        } catch let error as SQLiteError where error.isDamage {
            return windowParts.remove(key)  // set aside and reported
        }
        guard !rows.isEmpty else { return windowParts.remove(key) }
        var (fine, wide): ([RollupGroup.Series], [RollupGroup.Series]) = ([], [])
        var scratch: [Rollup] = []
        merge.forEachSeries { id, column, _ in
            RollupWindow.roll(column, width: RollupTier.fiveMinutes.width, end: place.end, into: &scratch)
            guard !scratch.isEmpty else { return }
            let keepsIncrease = index.type(of: SeriesID(id)) != .gauge
            fine.append(RollupGroup.Series(id: id, rollups: scratch, keepsIncrease: keepsIncrease))
            let hours = RollupWindow.roll(scratch, width: RollupTier.hour.width, end: place.end)
            wide.append(RollupGroup.Series(id: id, rollups: hours, keepsIncrease: keepsIncrease))
        }
        let range = place.end &- StoreLimits.windowMilliseconds...place.end &- 1
        for tier in rollups where retention.days(of: tier.tier) > 0 && !fine.isEmpty {
            let (file, unit) = tier.tier.place(ofDay: key.day)
            let target = WindowParts.Key(day: file, agent: key.agent, window: unit, slice: key.slice)
            let series = tier.tier == .fiveMinutes ? fine : wide
            try write(series, range, to: tier, target, replacing: [], applied: deleted.highest)
            tier.parts.note(file, key.agent, unit, key.slice, at: time.now.milliseconds)
        }
        try faults.pass(.afterRollup)
        try onDay(key.day, creating: false) { try $0.noteRolled(rows.map(\.id)) }
        windowParts.remove(key)
        metrics.add("stagebox_store_rolled_windows_total")
    }

    /// Everything in groups of a day that is not deleted.
    private func read(
        _ rows: [DayFile.Row], of file: DayFile, into merge: BlockMerge, without deleted: DeletionSet
    ) throws {
        let marks = deleted.isEmpty ? [:] : try file.marks()
        let decompressor = try ZstdDecompressor()
        for row in rows {
            guard let body = try file.body(of: row.id) else { continue }
            let applied = marks[row.id] ?? 0
            do {
                try merge.add(ChunkGroupReader(body, decompressor: decompressor), order: row.id) { id in
                    deleted.isEmpty ? [] : deleted.cuts(of: id, applied: applied)
                }
            } catch {
                report(DayFiles.name(file.day), "chunk group \(row.id) does not decode", "it is not rolled up")
            }
        }
    }

    private func write(
        _ series: [RollupGroup.Series], _ range: ClosedRange<Int64>, to tier: RollupFiles, _ key: WindowParts.Key,
        replacing replaced: [Int64], applied: Int64, isErasing: Bool = false
    ) throws {
        var chunks: [DayFile.NewChunk] = []
        if let first = series.first, let last = series.last {
            chunks.append(
                DayFile.NewChunk(
                    agent: key.agent, window: key.window, low: first.id, high: last.id, first: range.lowerBound,
                    last: range.upperBound, samples: Int64(series.reduce(0) { $0 + $1.rollups.count }),
                    body: try RollupGroup.encode(series)))
        }
        try onFile(tier, key.day, creating: true) { file in
            try file.write(
                chunks, replacing: replaced, moved: [], generation: [], applied: applied, isErasing: isErasing)
        }
    }

    /// Runs `body` on a rollup file; a damaged one is set aside and reported, and the error thrown on.
    func onFile(_ tier: RollupFiles, _ key: Int64, creating: Bool, _ body: (DayFile) throws -> Void) throws {
        do {
            if let file = try tier.files.file(key, creating: creating) { try body(file) }
        } catch let error as SQLiteError where error.isDamage {
            try tier.files.quarantine(key, now: time.now)
            report(tier.files.name(key), error.description, "the rollups of \(tier.tier.daysPerFile) days are lost")
            throw error
        }
    }

    // MARK: Units

    private func nextUnit(_ tier: RollupFiles, isDraining: Bool) -> WindowParts.Key? {
        let today = CivilDay.day(of: time.now.milliseconds &- StoreLimits.windowGraceMilliseconds)
        return tier.parts.due { key, parts in
            parts > StoreLimits.partsMax
                || parts > 1 && (isDraining || tier.tier.dayAfter(file: key.day, unit: key.window) <= today)
        }
    }

    /// Merges the parts of one unit and slice into one group.
    func mergeUnit(_ tier: RollupFiles, _ key: WindowParts.Key, isErasing: Bool = false) throws {
        let deleted = deletions.current
        var merge = RollupMerge()
        var rows: [DayFile.Row] = []
        var lost: [DayFile.Row] = []
        try onFile(tier, key.day, creating: false) { file in
            rows = try file.rows(of: key.agent).filter { $0.window == key.window && $0.slice == key.slice }
            let marks = deleted.isEmpty ? [:] : try file.marks()
            let decompressor = try ZstdDecompressor()
            for row in rows {
                guard let body = try file.body(of: row.id) else { continue }
                let applied = marks[row.id] ?? 0
                do {
                    try merge.add(
                        ChunkGroupReader(body, decompressor: decompressor), row.first...max(row.first, row.last),
                        width: tier.tier.width
                    ) { deleted.isEmpty ? [] : deleted.cuts(of: $0, applied: applied) }
                } catch is WireError {
                    report(tier.files.name(key.day), "rollup group \(row.id) does not decode", "it is left out")
                    lost.append(row)
                }
            }
        }
        // Before what is left speaks of their time, too.
        for row in lost { try rollAgain(row) }
        guard !rows.isEmpty else { return tier.parts.remove(key) }
        let merged = merge.finish()
        try write(
            merged?.series ?? [], merged?.range ?? 0...0, to: tier, key, replacing: rows.map(\.id),
            applied: deleted.highest, isErasing: isErasing || deleted.all.contains { !$0.isErased })
        tier.parts.remove(key)
    }

    /// Windows whose rollups are lost are rolled up again, as long as their samples are kept.
    private func rollAgain(_ row: DayFile.Row) throws {
        let first = RollupChoice.window(of: row.first)
        let last = min(RollupChoice.window(of: max(row.first, row.last)), first + RollupTier.windowsPerUnitMax)
        for window in first...last {
            let place = WindowPlace.of(window * StoreLimits.windowMilliseconds)
            do {
                try onDay(place.day, creating: false) { file in
                    let ids = try file.rows(of: row.agent)
                        .filter { $0.window == place.window && $0.slice == row.slice }.map(\.id)
                    guard !ids.isEmpty else { return }
                    try file.forgetRolled(ids)
                    windowParts.learn(
                        WindowParts.Key(day: place.day, agent: row.agent, window: place.window, slice: row.slice),
                        count: ids.count)
                }
            } catch let error as SQLiteError where error.isDamage {}  // set aside and reported
        }
    }

    // MARK: What a restart left to do

    /// Looks at one more file for windows that were not rolled up, or units that were not merged, before this start.
    private func scanStep() throws -> Bool {
        let day = rollScan.withLock { $0.popLast() }
        if let day {
            do {
                try onDay(day, creating: false) { try note(windowParts, of: $0, ignoresRolled: false) }
            } catch let error as SQLiteError where error.isDamage {}  // set aside and reported
            return true
        }
        guard let (index, key) = unitScan.withLock({ $0.popLast() }) else { return false }
        do {
            try onFile(rollups[index], key, creating: false) {
                try note(rollups[index].parts, of: $0, ignoresRolled: true)
            }
        } catch let error as SQLiteError where error.isDamage {}  // set aside and reported
        return true
    }

    private func note(_ parts: WindowParts, of file: DayFile, ignoresRolled: Bool) throws {
        let rolled = try file.rolled()
        let groups = Dictionary(grouping: try file.allRows()) { row in
            WindowParts.Key(day: file.day, agent: row.agent, window: row.window, slice: row.slice)
        }
        for (key, rows) in groups {
            let isDue = ignoresRolled ? rows.count > 1 : rows.contains { !rolled.contains($0.id) }
            if isDue { parts.learn(key, count: rows.count) }
        }
    }
}
