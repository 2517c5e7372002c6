package import Ingest
import SQLite
import Synchronization
import Telemetry
import WireFormat

extension TenantStore {
    /// Reads everything that the memory mirrors.
    func load() throws {
        let unlisted = try ingest.use { database in
            let generation = try Self.generation(in: database)
            agents.restore(try indexFile.agents())
            agents.restore(try Self.agents(in: database))
            try tables.load(from: database)
            try families.load(from: database)
            let unlisted = try deletions.load(generation: generation)
            // What a table, kept for other series, or a deletion still names is no other series' id.
            index.reserve(through: tables.highestID)
            for deletion in deletions.current.all { index.reserve(through: deletion.series.last ?? 0) }
            if try !indexFile.isFilled() { try rebuildIndex(from: database) }
            shareSeries()
            state.withLock { $0.generation = generation }
            try loadItems(from: database)
            try reserveBlocks(database)
            try dropEndedTables(in: database)
            return unlisted
        }
        try loadPushed()
        for deletion in unlisted { try unlist(deletion) }
        try indexFile.save(agents.all)
        try indexFile.save(index)
        try openForwarding()
        try takeBackMoved()
        try loadRows()
    }

    /// Sixteen random bytes, made with the file.
    private static func generation(in database: Database) throws -> [UInt8] {
        let key = Array("generation".utf8)
        if let known = try IngestFile.value(.meta, key, in: database), known.count == 16 { return known }
        var generator = SystemRandomNumberGenerator()
        let fresh = ID128(random: &generator).bytes
        try IngestFile.put(.meta, key, fresh, in: database)
        return fresh
    }

    private static func agents(in database: Database) throws -> [AgentNumber: AgentID] {
        var found: [AgentNumber: AgentID] = [:]
        for item in try IngestFile.items(.agent, in: database) {
            let name = String(decoding: item.value.prefix { $0 != 0x0A }, as: UTF8.self)
            if let agent = AgentID(stored: name) { found[IngestFile.agentNumber(item.key)] = agent }
        }
        return found
    }

    /// Reads dedup, fleet and gaps. A row that does not decode costs itself: it is set aside and reported.
    func loadItems(from database: Database) throws {
        var damaged: [(kind: IngestFile.Item, key: [UInt8], value: [UInt8], finding: String)] = []
        func read(_ kind: IngestFile.Item, _ decode: ([UInt8], [UInt8]) throws -> Void) throws {
            for item in try IngestFile.items(kind, in: database) {
                do { try decode(item.key, item.value) } catch let error as WireError {
                    damaged.append((kind, item.key, item.value, "\(error)"))
                }
            }
        }
        var (dedup, fleet, gaps) = ([AgentLane: DedupState](), [AgentID: FleetState](), [GapEntry]())
        try read(.dedup) { key, value in
            guard let lane = IngestFile.laneKey(key), let agent = agents.name(of: IngestFile.agentNumber(key)) else {
                return
            }
            dedup[AgentLane(agent: agent, lane: lane)] = try StateCodec.decodeDedup(value, agent: agent, laneKey: lane)
        }
        try read(.fleet) { key, value in
            guard let agent = agents.name(of: IngestFile.agentNumber(key)) else { return }
            fleet[agent] = try StateCodec.decodeFleet(value, agent: agent)
        }
        try read(.gap) { gaps.append(GapEntry(key: $0, gap: try GapCodec.decode($1))) }
        if !damaged.isEmpty {
            try database.transaction {
                for item in damaged {
                    try IngestFile.put(.damaged, [UInt8(item.kind.rawValue)] + item.key, item.value, in: database)
                    try IngestFile.remove(item.kind, item.key, in: database)
                }
                try database.execute(
                    """
                    DELETE FROM item WHERE kind = 7 AND key NOT IN
                      (SELECT key FROM item WHERE kind = 7 ORDER BY key DESC LIMIT \(StoreLimits.damagedItemsMax))
                    """)
            }
        }
        for item in damaged {
            let consequence =
                switch item.kind {
                case .dedup: "the lane's ledger begins anew; what comes again of it merges by time and id"
                case .fleet: "what was known of the agent is lost until its next birth"
                default: "one known gap is forgotten"
                }
            report("ingest.sqlite", "\(item.kind) row does not decode: \(item.finding)", consequence)
        }
        let parked = try database.integer("SELECT coalesce(sum(length(value)), 0) FROM item WHERE kind = 6") ?? 0
        let held = try database.integer("SELECT coalesce(sum(length(body)), 0) FROM block WHERE state = 1") ?? 0
        state.withLock { state in
            (state.dedup, state.fleet, state.gaps) = (dedup, fleet, gaps)
            state.savedAgents = Set(fleet.keys).union(dedup.keys.lazy.map(\.agent))
            (state.parkedBytes, state.quarantineBytes) = (Int(parked), Int(held))
        }
    }

    /// Ids go on above everything that this file may ever have given.
    private func reserveBlocks(_ database: Database) throws {
        let key = Array("nextBlock".utf8)
        let stored = try IngestFile.value(.meta, key, in: database).map { $0.reduce(0) { $0 << 8 | Int64($1) } } ?? 1
        let highest = try database.integer("SELECT max(id) FROM block") ?? 0
        let next = max(stored, highest + 1)
        state.withLock { state in
            state.nextBlock = next
            state.reservedBlock = next
        }
    }

    /// Fills an index whose file was lost: with the series of the tables, as far as any file has samples of them.
    /// - Throws: ``StoreError`` `damaged` when the labels of the agents' certificates are not at hand.
    private func rebuildIndex(from database: Database) throws {
        let statement = try database.statement("SELECT agent, encoded, ids FROM tables ORDER BY id")
        var found: [SeriesID: (SeriesDescriptor, AgentNumber)] = [:]
        while try statement.step() {
            let number = AgentNumber(truncatingIfNeeded: statement.integer(0))
            guard let agent = agents.name(of: number) else { continue }
            guard let series = try? StoreCodec.decodeTable(statement.blob(1)) else { continue }
            guard agentLabels != nil || agent == PushedSeries.agent else {
                statement.reset()
                throw StoreError(
                    .damaged, tenant: tenant,
                    "index.sqlite is lost or damaged, and only the aggregator knows the labels (job, region, site) to "
                        + "rebuild it with: start the aggregator on this directory once, then repeat this")
            }
            let labels = allLabels(of: agent)
            for (descriptor, id) in zip(series, IDList.decode(statement.blob(2))) where id > 0 {
                let key = labels.key(of: descriptor.key)
                found[SeriesID(UInt32(truncatingIfNeeded: id))] = (
                    SeriesDescriptor(key: key, type: descriptor.type), number
                )
            }
        }
        guard !found.isEmpty else { return }
        for (id, entry) in found.sorted(by: { $0.key < $1.key }) {
            index.restore(
                id: id, labels: entry.0.key.labels, type: entry.0.type, agent: entry.1, first: .distantFuture,
                last: .distantPast, isSaved: false)
        }
        shareSeries()
        try restoreBounds(from: database)
        _ = index.removeUnused()
    }

    private func restoreBounds(from database: Database) throws {
        var waiting: [AgentNumber: ClosedRange<Int64>] = [:]
        for row in try IngestFile.rows(in: database) where row.kind == .metrics && row.state == .normal {
            guard let range = row.range else { continue }
            let known = waiting[row.agent] ?? range
            waiting[row.agent] =
                min(known.lowerBound, range.lowerBound)...max(known.upperBound, range.upperBound)
        }
        for (agent, range) in waiting { index.touch(1...UInt32.max, of: agent, range) }
        for day in days.days { try readingBounds { try onDay(day, creating: false) { try restoreBounds(from: $0) } } }
        for tier in rollups {
            for key in tier.files.days {
                try readingBounds { try onFile(tier, key, creating: false) { try restoreBounds(from: $0) } }
            }
        }
    }

    private func restoreBounds(from file: DayFile) throws {
        struct Place: Hashable {
            let agent: AgentNumber
            let slice: UInt32
        }
        for (place, rows) in Dictionary(grouping: try file.allRows(), by: { Place(agent: $0.agent, slice: $0.slice) }) {
            let first = rows.reduce(.max) { min($0, $1.first) }
            let last = rows.reduce(.min) { max($0, $1.last) }
            let low = rows.reduce(.max) { min($0, $1.low) }
            let high = rows.reduce(.min) { max($0, $1.high) }
            guard first <= last, low <= high else { continue }
            index.touch(low...high, of: place.agent, first...last)
        }
    }

    /// A damaged file was set aside and reported; the others count.
    private func readingBounds(_ body: () throws -> Void) throws {
        do { try body() } catch let error as SQLiteError where error.isDamage {}
    }

    /// Tells the index which series have samples of more than one agent: any table names them.
    private func shareSeries() {
        for (agent, ids) in tables.allIDs { index.share(ids, with: agent) }
    }

    /// What the agent's certificate adds; `instance` is always the agent's name.
    func allLabels(of agent: AgentID) -> AgentLabels {
        agent == PushedSeries.agent ? [] : (agentLabels?(agent) ?? []).named(agent)
    }

    /// Level-0 rows that a crash left behind although a day file or the events hold them.
    private func takeBackMoved() throws {
        let generation = state.withLock { $0.generation }
        let rows = try ingest.use { try IngestFile.rows(in: $0) }
        guard !rows.isEmpty else { return }
        let reaches = rows.filter { $0.kind == .metrics && $0.state == .normal }.map { row in
            (row.id, CivilDay.day(of: row.first &+ row.shift), CivilDay.day(of: row.last &+ row.shift))
        }
        let moved = try days.loadMoved(
            generation: generation,
            of: Set(reaches.flatMap { [$0.1, $0.2] + ($0.2 > $0.1 && $0.2 - $0.1 < 8 ? Array($0.1...$0.2) : []) }))
        var covered = reaches.filter { id, first, last in
            first <= last && last - first < 8 && (first...last).allSatisfy { moved[$0]?.contains(id) ?? false }
        }.map(\.0)
        let movedEvents = try events.appliedThrough(generation: generation)
        covered += rows.filter { $0.kind == .events && $0.state == .normal && $0.id <= movedEvents }.map(\.id)
        guard !covered.isEmpty else { return }
        try keepForForwarding(covered)
        try keepEventsForForwarding(covered)
        try ingest.use { database in try database.transaction { try IngestFile.delete(covered, in: database) } }
    }

    /// Lists what level 0 holds, without reading bodies.
    private func loadRows() throws {
        let rows = try ingest.use { try IngestFile.rows(in: $0) }
        func isPossible(_ row: BlockRow) -> Bool { row.kind != .metrics || row.state != .normal || row.range != nil }
        for row in rows where !isPossible(row) { try setAside(row.id, "its time is out of range") }
        list(rows.filter(isPossible))
    }

    /// Puts rows whose bodies are on disk only into the head and the queue of events.
    func list(_ rows: [BlockRow]) {
        head.append(
            rows.filter { $0.kind == .metrics && $0.state == .normal }.map { row in
                (
                    row.agent,
                    Head.Block(
                        id: row.id, first: row.first &+ row.shift, last: row.last &+ row.shift, shift: row.shift,
                        records: row.records, receivedAt: row.receivedAt, bodyBytes: row.bodyBytes, body: nil,
                        decoded: nil)
                )
            })
        state.withLock { state in
            for row in rows where row.kind == .events && row.state == .normal {
                state.pendingEvents.append(
                    PendingEvents(block: row.id, shift: row.shift, records: Int(row.records), events: nil, body: nil))
            }
        }
    }

    /// What ingest needs to go on after a restart.
    package func ingestSnapshot() -> IngestSnapshot {
        let known = tables.known.compactMap { entry -> IngestSnapshot.KnownTable? in
            guard let agent = agents.name(of: entry.key.agent), agent != PushedSeries.agent else { return nil }
            return IngestSnapshot.KnownTable(agent: agent, hash: entry.key.hash, seriesCount: entry.seriesCount)
        }
        return state.withLock { state in
            IngestSnapshot(
                dedup: Array(state.dedup.values), tables: known, fleet: Array(state.fleet.values))
        }
    }
}
