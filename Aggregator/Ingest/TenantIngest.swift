package import Telemetry

/// One tenant's ingest: decides what of the opened messages is new, collects it into commits, and
/// acknowledges what the store has made durable.
///
/// A synchronous state machine without I/O but for reading the store at the start (and, rarely, a count).
/// **Thread rule**: everything on it is called from the tenant's writer thread, which runs
///
///     while !ingest.isFull, let message = queue.pop() { ingest.receive(message, now: now) }
///     if let commit = ingest.prepareCommit(now: now) {
///         do { try store.commit(commit, of: tenant); ingest.committed(commit.number) }
///         catch { ingest.failed(commit.number) }
///     }
///     for (agent, acknowledgement) in ingest.acknowledgements(now: now) { … sign, publish … }
///
/// Memory: per agent some 1 kB, per lane of a remembered epoch some 0.7 kB, per known table 40 bytes.
package final class TenantIngest {
    package let tenant: TenantID
    package var configuration: IngestConfiguration
    package internal(set) var statistics = IngestStatistics()
    /// In every acknowledgement.
    package var keyBundleVersion: UInt64 = 0

    let store: any IngestStore
    let settled: SettledBatches
    var agents: [AgentID: AgentIngest] = [:]
    var generator: any RandomNumberGenerator
    /// What goes into the next commit.
    var pending: IngestCommit
    var pendingBytes = 0
    /// The commit that the store works on.
    var outstanding: (commit: IngestCommit, bytes: Int)?
    var waiting: [WaitingBlock] = []
    var waitingBytes = 0
    /// Agents whose acknowledgement is due at some time.
    var due = Set<AgentID>()
    var dirty = Set<AgentID>()
    /// Agents with an offline state in its grace.
    var graced = Set<AgentID>()
    var touchCounter: UInt64 = 0
    var nextForgetAt = Timestamp.distantPast

    struct WaitingBlock {
        var block: IngestCommit.Block
        var missing: [TableHash]
        var sizeBytes: Int
    }

    /// Restores everything from the store: nothing has to be sent again after a restart.
    /// - Parameters:
    ///   - generator: for challenges; they have to be unpredictable in production.
    ///   - settled: is told what is durable, and asked what came again.
    ///   - previous: an ingest of this tenant whose store turned out damaged. What agents are to be told is taken over
    ///     from it; what it had not committed is sent again by the agents.
    /// - Throws: what the store throws.
    package init(
        tenant: TenantID, configuration: IngestConfiguration, store: any IngestStore,
        generator: any RandomNumberGenerator, settled: SettledBatches = SettledBatches(),
        continuing previous: TenantIngest? = nil, now: Timestamp
    ) throws {
        self.settled = settled
        self.tenant = tenant
        self.configuration = configuration
        self.store = store
        self.generator = generator
        pending = IngestCommit(number: 1, at: now)
        let snapshot = try store.loadIngest(of: tenant)
        settled.reset(tenant)
        for fleet in snapshot.fleet {
            let agent = AgentIngest(fleet: fleet)
            agent.isFleetDirty = false
            agent.durableReserve = fleet.acknowledgementReserve
            agent.nextCounter = max(fleet.acknowledgementReserve, Self.counterFloor(now))
            agents[fleet.agent] = agent
        }
        for state in snapshot.dedup {
            let agent = restoredAgent(state.agent, now)
            let lane = LaneIngest(state: state)
            lane.durable = state.settled
            settled.set(state.settled.contiguous, state.laneKey, of: state.agent, in: tenant)
            agent.lanes[state.laneKey] = lane
        }
        for table in snapshot.tables { restoredAgent(table.agent, now).learn(table.hash, table.seriesCount) }
        for (id, old) in previous?.agents ?? [:] {
            let agent = restoredAgent(id, now)
            agent.nextCounter = max(agent.nextCounter, old.nextCounter)
            agent.desiredConfigurationVersion = old.desiredConfigurationVersion
            agent.flushIntervalMilliseconds = old.flushIntervalMilliseconds
        }
    }

    private func restoredAgent(_ id: AgentID, _ now: Timestamp) -> AgentIngest {
        if let agent = agents[id] { return agent }
        let agent = AgentIngest(fleet: FleetState(agent: id, firstSeenAt: now))
        agent.nextCounter = Self.counterFloor(now)
        agents[id] = agent
        dirty.insert(id)
        return agent
    }

    /// Counters start at the clock's microseconds, so that an aggregator restored from an older backup still
    /// counts on.
    static func counterFloor(_ now: Timestamp) -> UInt64 { UInt64(max(0, now.milliseconds)) &* 1000 }

    // MARK: - What people and the API look at

    /// - Complexity: O(agents).
    package var fleet: [FleetState] { agents.values.map(\.fleet).sorted { $0.agent < $1.agent } }

    package func fleet(of agent: AgentID) -> FleetState? { agents[agent]?.fleet }

    /// The ledger: all lanes of all agents, or of one.
    /// - Complexity: O(lanes).
    package func ledger(of agent: AgentID? = nil) -> [DedupState] {
        let chosen = agent.map { id in agents[id].map { [$0] } ?? [] } ?? Array(agents.values)
        return chosen.flatMap { $0.lanes.values.map(\.state) }
            .sorted { ($0.agent, $0.laneKey) < ($1.agent, $1.laneKey) }
    }

    /// Time to commit: the caller should stop receiving first, or what comes is dropped unacknowledged.
    package var isFull: Bool {
        pendingBytes >= IngestLimits.commitBytesMax || pending.blocks.count >= IngestLimits.commitBlocksMax
    }

    // MARK: - What the rest of the aggregator wants told to agents

    /// The agent is told within 250 ms if this changes anything.
    package func setDesiredConfiguration(_ version: UInt64, of id: AgentID, now: Timestamp) {
        guard let agent = agents[id], agent.desiredConfigurationVersion != version else { return }
        agent.desiredConfigurationVersion = version
        scheduleAcknowledgement(of: agent, now)
    }

    /// How often the agent shall flush; 0: its own default.
    package func setFlushInterval(milliseconds: UInt32, of id: AgentID, now: Timestamp) {
        guard let agent = agents[id], agent.flushIntervalMilliseconds != milliseconds else { return }
        agent.flushIntervalMilliseconds = milliseconds
        scheduleAcknowledgement(of: agent, now)
    }

    func scheduleAcknowledgement(of agent: AgentIngest, _ now: Timestamp) {
        agent.acknowledge(by: now.advanced(byMilliseconds: IngestLimits.acknowledgementDelayMilliseconds))
        due.insert(agent.fleet.agent)
    }
}
