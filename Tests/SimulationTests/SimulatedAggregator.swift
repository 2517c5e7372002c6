import Ingest
import MQTT
import RuntimeSupport
import Sealing
import Store
import Telemetry
import WireFormat

/// One tenant's aggregator, driven as its writer thread does, and killed where a plan says.
final class SimulatedAggregator {
    /// Where the next turn that has something to do ends.
    enum CrashPoint: CaseIterable {
        case beforeOpening, beforeCommit, failedCommit, unknownCommit, afterCommit, betweenAcknowledgements
        case afterDayFile, afterDeletion, afterEvents
    }
    private struct Killed: Error {}

    let fleet: SimulatedFleet
    let time = ManualTimeSource(now: SimulatedFleet.epochStart)
    let audit = CommitAudit()
    private let root: String
    private let trace: Trace
    private let broker: FakeBroker
    private let link = EventBox()
    private let transport: FakeTransport
    private let records = KeyRecords()
    private var generator: SeededGenerator
    private var generation = 0
    private(set) var store: StoreDirectory
    private var opener: BatchOpener
    private(set) var ingest: TenantIngest?
    private var inbox: [(topic: String, payload: [UInt8])] = []
    private var isOnline = false
    private var connectAt: Int64 = 0
    private var downUntil: Int64 = 0
    private var compactAt: Int64 = 5000
    var crashPoint: CrashPoint?
    /// How long a kill keeps it away.
    var downMilliseconds: Int64 = 2000
    var losesKeyRecords = false
    private(set) var kills = 0
    private(set) var acknowledgementsSent = 0
    /// Births received; a restart of the aggregator must not make the fleet send any.
    private(set) var births = 0
    private(set) var tables = 0
    /// Whether every message is kept for ``replayAll()``.
    var keepsHistory = false
    private var history: [(topic: String, payload: [UInt8])] = []
    private var states: [AgentID: ConnectionState] = [:]
    /// Batches that came again after they were settled, by the ledger.
    var duplicates: UInt64 { ingest?.ledger().reduce(0) { $0 + $1.counts.duplicates } ?? 0 }
    private var now: Int64 = 0

    init(fleet: SimulatedFleet, broker: FakeBroker, root: String, seed: UInt64, trace: Trace) throws {
        self.fleet = fleet
        self.broker = broker
        self.root = root
        self.trace = trace
        generator = SeededGenerator(seed: seed)
        let link = link
        transport = broker.transport { link.events.append($0) }
        store = Self.open("\(root)/aggregator-0", fleet, time)
        opener = try Self.makeOpener(fleet, records)
        try FileImage.makeDirectory("\(root)/aggregator-0")
        try load()
    }

    private static func open(_ root: String, _ fleet: SimulatedFleet, _ time: ManualTimeSource) -> StoreDirectory {
        let certificates = fleet.certificates
        return StoreDirectory(root: root, time: time, agentLabels: { _, agent in certificates.labels(of: agent) })
    }

    private static func makeOpener(_ fleet: SimulatedFleet, _ records: KeyRecords) throws -> BatchOpener {
        let ring = KeyRing()
        ring.add(fleet.recipient, destroyAfter: .distantFuture)
        return BatchOpener(
            certificates: fleet.certificates, keys: ring, records: records, bodies: try PlainBodyDecoder())
    }

    private func load() throws {
        let ingest = try TenantIngest(
            tenant: SimulatedFleet.tenant, configuration: IngestConfiguration(aggregatorID: ID128(high: 1, low: 1)),
            store: store, generator: generator, now: time.now)
        ingest.keyBundleVersion = 1
        _ = generator.next()
        self.ingest = ingest
    }

    func tenant() throws -> TenantStore { try store.tenant(SimulatedFleet.tenant) }

    /// Virtual milliseconds when it wants to be called; messages call it anyway.
    var nextDeadline: Int64 {
        if downUntil > now { return downUntil }
        var deadline = min(compactAt, isOnline ? .max : connectAt)
        if let due = ingest?.nextAcknowledgementAt {
            deadline = min(deadline, now + max(1, due.milliseconds(since: time.now)))
        }
        return deadline
    }
    var hasInput: Bool { !link.events.isEmpty || !inbox.isEmpty }

    /// Nothing fails from now on.
    func calm() throws {
        crashPoint = nil
        try tenant().faults.clear()
    }

    func lastState(of agent: AgentID) -> ConnectionState? { states[agent] }

    /// A message that the broker held back until now.
    func inject(_ topic: String, _ payload: [UInt8]) { inbox.append((topic, payload)) }

    /// Everything that ever came, once more.
    func replayAll() throws {
        inbox += history
        let (messages, kept) = (history.count, history)
        try turn()
        history = kept
        trace.note("\(now) replayed \(messages)")
    }

    /// Kills it where it stands, as kill -9 would.
    func kill() throws { try die() }

    func step(now: Int64) throws {
        if now > self.now { time.advance(milliseconds: now - self.now) }
        self.now = now
        guard now >= downUntil else {
            link.events.removeAll()
            return
        }
        if ingest == nil { try load() }
        takeEvents()
        do {
            try turn()
        } catch is Killed {
            try die()
        } catch is StoreFaults.Stopped {
            try die()
        }
    }

    private func takeEvents() {
        while !link.events.isEmpty {
            let events = link.events
            link.events.removeAll()
            for event in events { take(event) }
        }
        if !isOnline, now >= connectAt {
            connectAt = now + 20_000
            let options = TransportOptions(
                host: "127.0.0.1", port: 1883, tls: nil, clientID: "aggregator", user: "aggregator", cleanStart: false,
                sessionExpirySeconds: 86_400, inFlightMax: 900)
            try? transport.connect(options)  // a connection attempt under way already answers
        }
    }

    private func take(_ event: TransportEvent) {
        switch event {
        case .connected:
            isOnline = true
            try? transport.subscribe(Topics.aggregatorFilters, .atLeastOnce)
            try? transport.subscribe(Topics.aggregatorBatchFilters, .atMostOnce)
            _ = try? transport.publish(topic: Topics.keys, payload: fleet.bundle, retain: true)
        case .connectFailed, .disconnected:
            isOnline = false
            connectAt = now + 1000
        case .message(let topic, let payload, _): inbox.append((topic, payload))
        case .published, .publishRefused, .subscriptionRefused: break
        }
    }

    private func reach(_ point: CrashPoint) throws {
        guard crashPoint == point else { return }
        crashPoint = nil
        throw Killed()
    }

    private func turn() throws {
        guard let ingest else { return }
        let messages = inbox
        inbox.removeAll()
        if !messages.isEmpty { try reach(.beforeOpening) }
        if keepsHistory { history += messages }
        for (topic, payload) in messages {
            guard let opened = opener.open(topic: topic, payload: payload, now: time.now) else { continue }
            note(opened)
            if ingest.isFull { try commit(ingest) }
            ingest.receive(opened, now: time.now)
        }
        try commit(ingest)
        for (agent, acknowledgement) in ingest.acknowledgements(now: time.now) {
            acknowledgementsSent += 1
            let payload = SignedRecord.sign(
                .acknowledgement, tenant: SimulatedFleet.tenant, agent: agent, record: acknowledgement,
                with: fleet.acknowledgementKey)
            let topic = AgentTopics(tenant: SimulatedFleet.tenant, agent: agent).acknowledgement
            trace.note("\(now) ack \(agent) \(describe(acknowledgement))")
            // Lost without a connection: agents send again.
            _ = try? transport.publish(topic: topic, payload: payload, retain: false)
            try reach(.betweenAcknowledgements)
        }
        if now >= compactAt { try compact() }
    }

    private func describe(_ acknowledgement: Acknowledgement) -> String {
        let settled = acknowledgement.settled.map { "\($0.laneKey.lane.name) \($0.contiguous) \($0.ranges)" }
        return "\(settled) tables \(acknowledgement.needsTables.count) keys \(acknowledgement.needsKeys.count)"
            + " to \(acknowledgement.runningEpoch) birth \(acknowledgement.needsBirth)"
    }

    private func commit(_ ingest: TenantIngest) throws {
        while let commit = ingest.prepareCommit(now: time.now) {
            if !commit.blocks.isEmpty { try reach(.beforeCommit) }
            if crashPoint == .failedCommit, !commit.blocks.isEmpty {
                crashPoint = nil
                return ingest.failed(commit.number)
            }
            try store.commit(commit, of: SimulatedFleet.tenant)
            note(commit)
            if crashPoint == .unknownCommit, !commit.blocks.isEmpty {
                crashPoint = nil
                return ingest.failed(commit.number)
            }
            if !commit.blocks.isEmpty { try reach(.afterCommit) }
            ingest.committed(commit.number)
        }
    }

    private func note(_ message: OpenedMessage) {
        switch message.content {
        case .birth(let birth):
            births += 1
            let isAnswer = birth.challenge != .zero
            trace.note("\(now) birth \(message.agent) \(birth.runningEpoch) \(birth.sessionCounter) \(isAnswer)")
        case .table: tables += 1
        case .state(let state): states[message.agent] = state
        case .rejected(let rejected):
            trace.note("\(now) rejected \(message.agent) \(rejected.code) \(rejected.detail)")
        default: break
        }
    }

    private func note(_ commit: IngestCommit) {
        audit.commits += 1
        for block in commit.blocks {
            if case .findings(let found) = block.content { audit.findings[block.agent, default: []] += found }
            audit.committed[block.agent, default: [:]][block.key] = CommitAudit.Committed(
                isQuarantined: block.isQuarantined, records: UInt64(block.header.recordCount))
            trace.note("\(now) commit \(block.agent) \(block.key) \(block.header.recordCount)")
        }
        for loss in commit.losses {
            audit.losses[loss.agent, default: []].append(loss.record)
            trace.note("\(now) loss \(loss.agent) \(loss.record) by \(loss.declaredBy) counted \(loss.counted)")
        }
    }

    private func compact() throws {
        compactAt = now + 5000
        let faults = try tenant().faults
        switch crashPoint {
        case .afterDayFile: faults.stop(at: .afterDayFile)
        case .afterDeletion: faults.stop(at: .afterDeletion)
        case .afterEvents: faults.stop(at: .afterEvents)
        default: break
        }
        for _ in 0..<4 where try !store.compactRound().didWork { break }
        try store.maintain()
    }

    /// The process is gone; its files stay as they are.
    private func die() throws {
        kills += 1
        trace.note("\(now) aggregator killed")
        crashPoint = nil
        let old = "\(root)/aggregator-\(generation)"
        generation += 1
        let new = "\(root)/aggregator-\(generation)"
        try FileImage.copyTree(old, new)
        transport.abandon()
        link.events.removeAll()
        inbox.removeAll()
        isOnline = false
        ingest = nil
        store.closeAll()
        FileImage.removeTree(old)
        store = Self.open(new, fleet, time)
        if losesKeyRecords { records.removeAll() }
        losesKeyRecords = false
        opener = try Self.makeOpener(fleet, records)
        downUntil = now + downMilliseconds
        connectAt = downUntil
    }
}

/// What a transport's sink fills; one thread.
final class EventBox: @unchecked Sendable {
    // The simulation has one thread.
    var events: [TransportEvent] = []
}
