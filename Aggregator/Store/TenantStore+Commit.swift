package import Ingest
import RuntimeSupport
import SQLite
import Synchronization
import Telemetry
import WireFormat

extension TenantStore {
    /// One durable transaction: everything in `commit`, or, when it throws, nothing.
    ///
    /// Idempotent by batch key: a block whose sequence the file already counts as settled is left out.
    /// - Throws: ``StoreError`` with code `full` when the file system has no room; the same commit may come again.
    /// - Complexity: per block one row and O(1) in memory; per new series table O(series × labels), once.
    package func commit(_ commit: IngestCommit) throws {
        try throwing {
            try commitGate.withLock { _ in try commitHoldingGate(commit) }
        }
    }

    private func commitHoldingGate(_ commit: IngestCommit) throws {
        if state.withLock({ $0.isStale }) { try refresh() }
        let prepared = try prepare(commit)
        var plan = state.withLock { Plan(commit, $0) }
        plan.tellsFindings = handsOn(.findings)
        do {
            try ingest.use { database in
                try database.transaction(synchronous: .full) { try write(commit, &plan, prepared, in: database) }
            }
        } catch {
            state.withLock { $0.isStale = true }
            throw error
        }
        apply(commit, plan, prepared)
    }

    /// What is done before the transaction, in the index, which it may name.
    struct Prepared {
        var agents: [AgentID: AgentNumber] = [:]
        var freshAgents: [AgentNumber: AgentID] = [:]
        var tables: [(table: IngestCommit.Table, key: TableStore.Key, ids: [SeriesID])] = []
    }

    private func prepare(_ commit: IngestCommit) throws -> Prepared {
        var prepared = Prepared()
        var named = Set<AgentID>()
        for block in commit.blocks { named.insert(block.agent) }
        for table in commit.tables { named.insert(table.agent) }
        for state in commit.dedup { named.insert(state.agent) }
        for state in commit.fleet { named.insert(state.agent) }
        for lane in commit.forgotten { named.insert(lane.agent) }
        _ = agents.assign(named.sorted())
        for agent in named { prepared.agents[agent] = agents.number(of: agent) }
        // Also those that a failed commit numbered: they are not in the file yet.
        let saved = state.withLock { $0.savedAgents }
        for (agent, number) in prepared.agents where !saved.contains(agent) { prepared.freshAgents[number] = agent }
        if !prepared.freshAgents.isEmpty { try indexFile.save(prepared.freshAgents) }
        var ids: [TableStore.Key: [SeriesID]] = [:]
        for table in commit.tables {
            guard let agent = prepared.agents[table.agent] else { continue }
            let key = TableStore.Key(agent: agent, hash: table.hash)
            guard !tables.contains(key), ids[key] == nil else { continue }
            let series = register(table.series, agent: agent, labels: allLabels(of: table.agent))
            countRefused(series.count { $0 == .none })
            ids[key] = series
            prepared.tables.append((table, key, series))
        }
        try widenBounds(commit, prepared, ids)
        try widenBoundsOfReleased(commit, ids)
        // Before the transaction: a crash behind it must not leave samples outside the bounds.
        try indexFile.save(index)
        return prepared
    }

    /// Keeps the index's time bounds outside everything that was committed; once per hour and table set. What is in
    /// quarantine counts when it comes out: by the time it claims its series might have ended long ago.
    private func widenBounds(
        _ commit: IngestCommit, _ prepared: Prepared, _ fresh: [TableStore.Key: [SeriesID]]
    ) throws {
        for block in commit.blocks where !block.isQuarantined {
            guard case .metrics(let metrics) = block.content, let agent = prepared.agents[block.agent] else {
                continue
            }
            try widen(agent, metrics.tables.map(\.hash), IngestFile.timeRange(of: block), fresh)
        }
    }

    /// - Parameter fresh: the series of tables that come with this commit.
    func widen(
        _ agent: AgentNumber, _ hashes: [TableHash], _ range: ClosedRange<Int64>, _ fresh: [TableStore.Key: [SeriesID]]
    ) throws {
        guard tables.widens(agent, hashes, range), let name = agents.name(of: agent) else { return }
        do { try revive(name, agent, hashes) } catch {
            tables.forgetTouched()
            throw error
        }
        var ids: [SeriesID] = []
        for hash in hashes {
            let key = TableStore.Key(agent: agent, hash: hash)
            ids += fresh[key] ?? tables.ids(key) ?? []
        }
        index.touch(ids, Timestamp(milliseconds: range.lowerBound)...Timestamp(milliseconds: range.upperBound))
    }

    /// The ids and states that the transaction will make true.
    struct Plan {
        /// Block ids, by position in the commit; nil for what is there already.
        var blockIDs: [Int64?] = []
        var nextBlock: Int64
        var reservedBlock: Int64
        var gaps: [GapEntry] = []
        var changedGaps: [Int] = []
        var quarantineBytes: Int
        var parkedBytes: Int
        var released: [BlockRow] = []
        /// Those whose corrected time no sample can have.
        var damaged: [BlockRow] = []
        /// Whether findings are told to another aggregator.
        var tellsFindings = false
        var families: [MetricMetadata] = []
        var familiesLeftOut = 0

        init(_ state: IngestState) {
            nextBlock = state.nextBlock
            reservedBlock = state.reservedBlock
            quarantineBytes = state.quarantineBytes
            parkedBytes = state.parkedBytes
            gaps = state.gaps
        }

        init(_ commit: IngestCommit, _ state: IngestState) {
            self.init(state)
            for block in commit.blocks {
                let lane = AgentLane(agent: block.agent, lane: block.key.laneKey)
                if state.dedup[lane]?.settled.contains(block.key.sequence) ?? false {
                    blockIDs.append(nil)
                } else {
                    blockIDs.append(nextBlock)
                    nextBlock += 1
                }
            }
        }

        func apply(to state: inout IngestState) {
            state.nextBlock = nextBlock
            state.reservedBlock = reservedBlock
            state.quarantineBytes = quarantineBytes
            state.parkedBytes = parkedBytes
            state.gaps = gaps
        }

        mutating func takeID() -> Int64 {
            defer { nextBlock += 1 }
            return nextBlock
        }
    }

    private func write(_ commit: IngestCommit, _ plan: inout Plan, _ prepared: Prepared, in database: Database) throws {
        for (number, agent) in prepared.freshAgents {
            try IngestFile.put(.agent, IngestFile.key(number), Array(agent.rawValue.utf8), in: database)
        }
        for entry in prepared.tables {
            try tables.insert(entry.table, entry.key, ids: entry.ids, at: commit.at, in: database)
        }
        for (index, block) in commit.blocks.enumerated() {
            guard let id = plan.blockIDs[index], let agent = prepared.agents[block.agent] else { continue }
            switch block.content {
            case .findings(let findings):
                for finding in findings {
                    try FindingTable.put(finding, agent, isForwarded: plan.tellsFindings, in: database)
                }
                continue
            case .metadata(let families):
                let (news, leftOut) = self.families.news(families)
                try FamilyTable.put(news, in: database)
                plan.families += news
                plan.familiesLeftOut += leftOut
                continue
            case .metrics, .events: break
            }
            try IngestFile.insert(block, id: id, agent: agent, in: database)
            if block.isQuarantined { plan.quarantineBytes += block.body.count }
        }
        for dedup in commit.dedup {
            guard let agent = prepared.agents[dedup.agent] else { continue }
            try IngestFile.put(
                .dedup, IngestFile.key(agent, dedup.laneKey), StateCodec.encode(dedup), in: database)
        }
        for fleet in commit.fleet {
            guard let agent = prepared.agents[fleet.agent] else { continue }
            try IngestFile.put(.fleet, IngestFile.key(agent), StateCodec.encode(fleet), in: database)
        }
        for lane in commit.forgotten {
            guard let agent = prepared.agents[lane.agent] else { continue }
            try IngestFile.remove(.dedup, IngestFile.key(agent, lane.laneKey), in: database)
        }
        try writeGaps(commit, &plan, in: database)
        try park(commit.parked, at: commit.at, &plan, in: database)
        if !commit.clockReferences.isEmpty { try release(commit, at: commit.at, &plan, in: database) }
        if plan.quarantineBytes > StoreLimits.quarantineBytesMax {
            try trimQuarantine(at: commit.at, &plan, in: database)
        }
        try reserve(&plan, in: database)
    }

    private func reserve(_ plan: inout Plan, in database: Database) throws {
        guard plan.nextBlock > plan.reservedBlock else { return }
        plan.reservedBlock = plan.nextBlock + Self.reserveStep
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: plan.reservedBlock >> (56 - 8 * Int64($0))) }
        try IngestFile.put(.meta, Array("nextBlock".utf8), bytes, in: database)
    }

    /// Ids set aside at a time, so that a commit rarely writes the counter.
    static let reserveStep: Int64 = 65_536

    private func apply(_ commit: IngestCommit, _ plan: Plan, _ prepared: Prepared) {
        for entry in prepared.tables { tables.remember(entry.key, ids: entry.ids) }
        var added: [(agent: AgentNumber, block: Head.Block)] = []
        var events: [PendingEvents] = []
        for (index, block) in commit.blocks.enumerated() {
            guard let id = plan.blockIDs[index], let agent = prepared.agents[block.agent], !block.isQuarantined else {
                continue
            }
            switch block.content {
            case .metrics(let metrics):
                let range = IngestFile.timeRange(of: block)
                added.append(
                    (
                        agent,
                        Head.Block(
                            id: id, first: range.lowerBound, last: range.upperBound, shift: 0,
                            records: block.header.recordCount, receivedAt: block.receivedAt.milliseconds,
                            bodyBytes: block.body.count, body: block.body,
                            decoded: metrics.samples.map {
                                Head.DecodedBlock(tables: metrics.tables.map(\.hash), samples: $0)
                            })
                    ))
            case .events(let content):
                events.append(
                    PendingEvents(
                        block: id, shift: 0, records: content.count, events: content.decoded, body: block.body))
            case .findings, .metadata: break
            }
        }
        families.remember(plan.families)
        countLeftOut(plan.familiesLeftOut)
        head.append(added)
        state.withLock { state in
            plan.apply(to: &state)
            state.savedAgents.formUnion(prepared.freshAgents.values)
            for dedup in commit.dedup { state.dedup[AgentLane(agent: dedup.agent, lane: dedup.laneKey)] = dedup }
            for fleet in commit.fleet { state.fleet[fleet.agent] = fleet }
            for lane in commit.forgotten { state.dedup[AgentLane(agent: lane.agent, lane: lane.laneKey)] = nil }
            for block in events { state.pendingEvents.append(block) }
        }
        list(plan.released)
        for row in plan.damaged { reportDamaged(row, "its corrected time is out of range") }
        metrics.add("stagebox_store_blocks_total", Double(added.count + events.count))
        metrics.add("stagebox_store_samples_total", Double(added.reduce(0) { $0 + Int($1.block.records) }))
    }

    /// Upkeep's changes of level 0 that tell gaps: one transaction, between commits.
    func changeGaps(_ body: (inout Plan, Database) throws -> Void) throws {
        try commitGate.withLock { _ in
            if state.withLock({ $0.isStale }) { try refresh() }
            var plan = state.withLock { Plan($0) }
            do {
                try ingest.use { database in
                    try database.transaction {
                        try body(&plan, database)
                        try reserve(&plan, in: database)
                    }
                }
            } catch {
                state.withLock { $0.isStale = true }
                throw error
            }
            state.withLock { plan.apply(to: &$0) }
        }
    }

    /// After a failed commit: what does the file hold?
    func refresh() throws {
        let known = Set(head.allIDs())
        let rows = try ingest.use { database -> [BlockRow] in
            let highest = state.withLock { $0.nextBlock }
            let rows = try IngestFile.rows(in: database).filter { $0.id >= highest && !known.contains($0.id) }
            try loadItems(from: database)
            state.withLock { state in
                if let last = rows.last { state.nextBlock = last.id + 1 }
                state.isStale = false
            }
            return rows
        }
        list(rows)
    }
}
