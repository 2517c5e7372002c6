package import Ingest
import SQLite
import Synchronization
import Telemetry
import WireFormat

extension TenantStore {
    /// Reads everything that the memory mirrors.
    func load() throws {
        try ingest.use { database in
            let generation = try Self.generation(in: database)
            agents.restore(try indexFile.agents())
            agents.restore(try Self.agents(in: database))
            try tables.load(from: database)
            if index.count == 0 { try rebuildIndex(from: database) }
            try state.withLock { state in
                state.generation = generation
                try Self.loadItems(into: &state, agents, from: database)
            }
            try reserveBlocks(database)
            try dropEndedTables(in: database)
        }
        try loadPushed()
        shareSeries()
        for deletion in try deletions.load(generation: state.withLock { $0.generation }) { try unlist(deletion) }
        try indexFile.save(agents.all)
        try indexFile.save(index)
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

    static func loadItems(into state: inout IngestState, _ agents: AgentNumbers, from database: Database) throws {
        state.dedup.removeAll()
        state.fleet.removeAll()
        state.gaps.removeAll()
        for item in try IngestFile.items(.dedup, in: database) {
            guard let lane = IngestFile.laneKey(item.key), let agent = agents.name(of: IngestFile.agentNumber(item.key))
            else { continue }
            let dedup = try StateCodec.decodeDedup(item.value, agent: agent, laneKey: lane)
            state.dedup[AgentLane(agent: agent, lane: lane)] = dedup
        }
        for item in try IngestFile.items(.fleet, in: database) {
            guard let agent = agents.name(of: IngestFile.agentNumber(item.key)) else { continue }
            state.fleet[agent] = try StateCodec.decodeFleet(item.value, agent: agent)
        }
        for item in try IngestFile.items(.gap, in: database) {
            state.gaps.append(GapEntry(key: item.key, gap: try GapCodec.decode(item.value)))
        }
        state.parkedBytes = Int(
            try database.integer("SELECT coalesce(sum(length(value)), 0) FROM item WHERE kind = 6") ?? 0)
        state.quarantineBytes = Int(
            try database.integer("SELECT coalesce(sum(length(body)), 0) FROM block WHERE state = 1") ?? 0)
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

    private func rebuildIndex(from database: Database) throws {
        let statement = try database.statement("SELECT agent, encoded, ids FROM tables ORDER BY id")
        var found: [SeriesID: (SeriesDescriptor, AgentNumber)] = [:]
        while try statement.step() {
            let number = AgentNumber(truncatingIfNeeded: statement.integer(0))
            guard let agent = agents.name(of: number) else { continue }
            guard let series = try? StoreCodec.decodeTable(statement.blob(1)) else { continue }
            let labels = allLabels(of: agent)
            for (descriptor, id) in zip(series, IDList.decode(statement.blob(2))) where id > 0 {
                let key = SeriesKey(labels: labels + descriptor.key.labels)
                found[SeriesID(UInt32(truncatingIfNeeded: id))] = (
                    SeriesDescriptor(key: key, type: descriptor.type), number
                )
            }
        }
        guard !found.isEmpty else { return }
        for (id, entry) in found.sorted(by: { $0.key < $1.key }) {
            index.restore(
                id: id, labels: entry.0.key.labels, type: entry.0.type, agent: entry.1, first: .distantPast,
                last: .distantFuture, isSaved: false)
        }
    }

    /// Tells the index which series have samples of more than one agent: any table names them.
    private func shareSeries() {
        for (agent, ids) in tables.allIDs { index.share(ids, with: agent) }
    }

    /// What the agent's certificate adds; `instance` is always the agent's name.
    func allLabels(of agent: AgentID) -> [Label] {
        if agent == PushedSeries.agent { return [] }
        return [Label("instance", agent.rawValue)] + agentLabels(agent).filter { $0.name != "instance" }
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
        try ingest.use { database in try database.transaction { try IngestFile.delete(covered, in: database) } }
    }

    /// Lists what level 0 holds, without reading bodies.
    private func loadRows() throws {
        let rows = try ingest.use { try IngestFile.rows(in: $0) }
        list(rows)
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
            state.pendingEvents += rows.filter { $0.kind == .events && $0.state == .normal }.map {
                PendingEvents(block: $0.id, shift: $0.shift, records: Int($0.records), events: nil, body: nil)
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
