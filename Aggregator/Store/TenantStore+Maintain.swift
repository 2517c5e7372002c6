package import Ingest
import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry

extension TenantStore {
    /// Retention and shrinking; bounded work. Deletes day files, events, gaps and rows beyond retention, forgets
    /// series that ended before it, gives free pages back and empties the WALs.
    package func maintain() throws {
        try throwing { try upkeepGate.withLock { _ in try maintainHoldingGate() } }
    }

    private func maintainHoldingGate() throws {
        let now = time.now
        let oldest = retentionDay
        for day in days.remove(before: oldest) {
            metrics.add("stagebox_store_days_expired_total")
            windowParts.forget(before: day + 1)
        }
        // Series stay as long as any tier knows them.
        var oldestKept = oldest
        let today = CivilDay.day(of: now.milliseconds)
        for tier in rollups {
            let days = retention.days(of: tier.tier)
            let first = today &- Int64(days)
            let file = RollupTier.floor(first, tier.tier.daysPerFile)
            if !tier.files.remove(before: file).isEmpty { tier.parts.forget(before: file) }
            if days > 0 { oldestKept = min(oldestKept, first) }
        }
        let eventsOldest = now.advanced(
            byMilliseconds: 0 &- Int64(eventsRetentionDays) &* StoreLimits.dayMilliseconds)
        for _ in 0..<16 where try events.remove(before: eventsOldest) == 0 { break }
        let cut = oldest &* StoreLimits.dayMilliseconds
        try expireLevelZero(before: cut)
        try expireGaps(before: cut)
        var untold = 0
        try changeGaps { _, database in untold = try FindingTable.trim(before: eventsOldest, in: database) }
        countForwardLosses(.findings, [.retention: untold])
        let ended = Timestamp(milliseconds: oldestKept &* StoreLimits.dayMilliseconds)
        try forgetSeries { $0.removeAll(endedBefore: ended) }
        try indexFile.save(index)
        try forgetDeletions()
        try shrink()
    }

    /// Takes series out of the index and its file.
    /// - Parameter remove: returns those that it took out of the index.
    func forgetSeries(_ remove: (SeriesIndex) -> [SeriesID]) throws {
        // A commit that has found a series has also widened its bounds before anything is removed.
        let removed = commitGate.withLock { _ in remove(index) }
        guard !removed.isEmpty else { return }
        // Should one come back, it has another number.
        head.columns.removeAll()
        try indexFile.remove(removed)
        _ = index.dropUnusedTexts()
    }

    /// Metrics and quarantined rows normally leave long before.
    private func expireLevelZero(before cut: Int64) throws {
        try changeGaps { plan, database in
            try expireQuarantined(before: cut, &plan, in: database)
            let delete = try database.statement(
                "DELETE FROM block WHERE state > 0 AND received < ?1")
            try delete.bind(1, cut)
            try delete.run()
            plan.quarantineBytes = Int(
                try database.integer("SELECT coalesce(sum(length(body)), 0) FROM block WHERE state = 1") ?? 0)
        }
    }

    private func expireGaps(before cut: Int64) throws {
        guard state.withLock({ $0.gaps.contains { $0.gap.at.milliseconds < cut } }) else { return }
        try changeGaps { plan, database in
            for entry in plan.gaps where entry.gap.at.milliseconds < cut {
                try IngestFile.remove(.gap, entry.key, in: database)
            }
            plan.gaps.removeAll { $0.gap.at.milliseconds < cut }
        }
    }

    /// Gives free pages back to the file system.
    /// - Parameter pagesMax: of each file at most; a file's writers wait while they are moved.
    package func shrink(pagesMax: Int = StoreLimits.vacuumPagesMax) throws {
        try throwing {
            try ingest.use { database in
                if try database.freePageCount > 0 { try database.incrementalVacuum(pages: pagesMax) }
                try database.checkpoint(.truncate)
            }
            for file in days.openFiles + rollups.flatMap(\.files.openFiles) { try file.shrink(pagesMax: pagesMax) }
            try events.shrink(pagesMax: pagesMax)
            try indexFile.checkpoint()
            try deletions.checkpoint()
        }
    }

    /// Checks every file's structure; for `stagebox store check`. Reads everything.
    /// - Returns: findings by file name; empty when all is well.
    package func check() throws -> [String: [String]] {
        var findings: [String: [String]] = [:]
        let inIngest = try ingest.use { try $0.quickCheck(max: 10) }
        if !inIngest.isEmpty { findings["ingest.sqlite"] = inIngest }
        for day in days.days {
            do {
                guard let file = try days.file(day, creating: false) else { continue }
                let found = try file.quickCheck()
                if !found.isEmpty { findings[DayFiles.name(day)] = found }
            } catch let error as SQLiteError {
                findings[DayFiles.name(day)] = [error.description]
            }
        }
        let inForwarding = try forwarding.withLock { $0 }?.check() ?? []
        if !inForwarding.isEmpty { findings[ForwardFile.name] = inForwarding }
        let inEvents = try events.check()
        if !inEvents.isEmpty { findings["events.sqlite"] = inEvents }
        return findings
    }

    package struct Sizes: Sendable {
        package var ingestBytes: Int64 = 0
        package var indexBytes: Int64 = 0
        package var metricsBytes: Int64 = 0
        package var rollupBytes: Int64 = 0
        package var eventsBytes: Int64 = 0
        package var levelZeroBlocks = 0
        /// Of level 0 in memory by series, about.
        package var columnBytes = 0
        package var series = 0
    }
    package func sizes() -> Sizes {
        var sizes = Sizes()
        sizes.levelZeroBlocks = head.size.blocks
        sizes.columnBytes = head.columns.bytes
        sizes.series = index.count
        for name in StoreFiles.names(in: directory) {
            let bytes = Database.fileBytes("\(directory)/\(name)")
            if name.hasPrefix("metrics-") {
                sizes.metricsBytes += bytes
            } else if name.hasPrefix("rollup-") {
                sizes.rollupBytes += bytes
            } else if name.hasPrefix("index.sqlite") {
                sizes.indexBytes += bytes
            } else if name.hasPrefix("events.sqlite") {
                sizes.eventsBytes += bytes
            } else {
                sizes.ingestBytes += bytes
            }
        }
        return sizes
    }
}

// MARK: The ledger and the fleet

extension TenantStore {
    /// Every lane's state, ascending by agent, epoch and lane.
    package func ledger(of agent: AgentID? = nil) -> [DedupState] {
        state.withLock { $0.dedup.values.filter { agent == nil || $0.agent == agent } }
            .sorted { ($0.agent, $0.laneKey) < ($1.agent, $1.laneKey) }
    }

    /// Batches and records of a lane that level 0 still lists; nil for an agent that is not known.
    /// - Complexity: O(rows of level 0).
    func committedCount(of agent: AgentID, _ lane: LaneKey, within sequences: ClosedRange<UInt64>) throws
        -> LedgerCount?
    {
        guard let number = agents.number(of: agent) else { return nil }
        return try throwing {
            try ingestReaders.use { database in
                let statement = try database.statement(
                    "SELECT sequence, records FROM block WHERE agent = ?1 AND epoch = ?2 AND lane = ?3")
                try statement.bind(1, Int64(number))
                try statement.bind(2, lane.epoch.bytes)
                try statement.bind(3, Int64(lane.lane.rawValue))
                var found = LedgerCount()
                while try statement.step() {
                    guard sequences.contains(UInt64(bitPattern: statement.integer(0))) else { continue }
                    let records = UInt64(truncatingIfNeeded: statement.integer(1))
                    found += LedgerCount(batches: 1, records: records & UInt64(UInt32.max))
                }
                return found
            }
        }
    }

    /// What a series table says, as its agent sent it; nil when it is not here.
    package func table(_ hash: TableHash, of agent: AgentID) throws -> [SeriesDescriptor]? {
        guard let number = agents.number(of: agent) else { return nil }
        return try throwing {
            try ingestReaders.use { try TableStore.descriptors(TableStore.Key(agent: number, hash: hash), in: $0) }
        }
    }

    package func fleet() -> [FleetState] {
        state.withLock { Array($0.fleet.values) }.sorted { $0.agent < $1.agent }
    }

    /// What is known to be missing (or had its time corrected), by the time it was learned.
    /// - Parameter range: only gaps that may touch it; those of unknown time always may.
    package func gaps(of agent: AgentID? = nil, in range: ClosedRange<Timestamp>? = nil) -> [Gap] {
        state.withLock { $0.gaps.map(\.gap) }.filter { gap in
            guard agent == nil || gap.agent == agent else { return false }
            guard let range else { return true }
            return (gap.from ?? .distantPast) <= range.upperBound && (gap.through ?? .distantFuture) >= range.lowerBound
        }
    }

    /// Refused payloads kept for inspection, oldest first.
    package func parked() throws -> [IngestCommit.ParkedPayload] {
        try throwing {
            try ingestReaders.use { database in
                try IngestFile.items(.parked, in: database).compactMap { try? ParkedCodec.decode($0.value) }
            }
        }
    }
}

extension TenantStore {
    /// Bounds `ingest.sqlite`, so that a test meets a full disk without filling one. Never below its present size.
    package func limitIngestPages(_ count: Int) {
        // A failure leaves the bound as it was.
        try? ingest.use { _ = try $0.setPagesMax(count) }
    }
}
