package import Actions
package import Buffer
import Collectors
import Control
import Detection
import Intake
import LocalRules
package import MQTT
package import RuntimeSupport
import Sealing
package import Telemetry
import Uplink
import WireFormat

/// The agent's one owner of state: samples, seals, buffer, uplink. Its thread calls ``handle(_:)`` with what
/// arrives and ``advance()`` when ``nextDeadlineMilliseconds`` has come; the simulation does the same in
/// virtual time. Nothing here blocks but SQLite's commit.
package final class AgentEngine {
    package struct Parts {
        package var identity: AgentIdentity
        package var configuration: EngineConfiguration
        package var buffer: Buffer
        package var transport: any MessageTransport
        package var time: any TimeSource
        /// Of the jitter.
        package var seed: UInt64
        package var clock: () -> ClockReading
        package var metrics: OwnMetrics
        package var version: String
        /// Keeps a changed identity (a newer key bundle).
        package var persist: (AgentIdentity) -> Void
        package var report: (AgentReport) -> Void
        package var control: ControlHooks
        /// Keeps findings where the node's owner can look at them.
        package var keepFindings: ([Finding]) -> Void = { _ in }
        /// What ``keepFindings`` was given by earlier starts, as far as it is kept: of each finding its last state.
        package var findings: [Finding] = []
        /// Begins an action on another thread; ``AgentInput/action(_:)`` says that it has ended.
        package var act: (ActionJob) -> Void = { _ in }
        /// Keeps what became of actions.
        package var keepActions: ([ActionOutcome]) -> Void = { _ in }
        /// What detection had learnt when the last start ended; nil: nothing is kept.
        package var models: [UInt8]?
        /// Keeps what detection has learnt.
        package var keepModels: ([UInt8]) -> Void = { _ in }

        package init(
            identity: AgentIdentity, configuration: EngineConfiguration, buffer: Buffer,
            transport: any MessageTransport,
            time: any TimeSource, seed: UInt64, clock: @escaping () -> ClockReading, metrics: OwnMetrics,
            version: String, persist: @escaping (AgentIdentity) -> Void, report: @escaping (AgentReport) -> Void,
            control: ControlHooks = ControlHooks()
        ) {
            self.identity = identity
            self.configuration = configuration
            self.buffer = buffer
            self.transport = transport
            self.time = time
            self.seed = seed
            self.clock = clock
            self.metrics = metrics
            self.version = version
            self.persist = persist
            self.report = report
            self.control = control
        }
    }

    let parts: Parts
    let buffer: Buffer
    let time: any TimeSource
    let metrics: OwnMetrics
    var topics: AgentTopics
    let signingKey: SigningKey
    let boxKey: BoxKeyPair
    var identity: AgentIdentity
    var trust: FleetTrust
    var timeFloor: TimeFloor
    var sealer: BatchSealer
    var uplink: UplinkStateMachine
    var control: ControlStateMachine
    /// What manifests and the node's own settings came to.
    var settings: AgentSettings
    /// The node's own settings as files, threads and sockets were made by.
    let startSettings: AgentSettings
    var guardLimits = GuardLimits()
    var results = ResultOutbox()
    var commands: CommandLog
    var ownUse = OwnUseWatch()
    var accumulator = SampleAccumulator()
    var tables = SeriesTableSet(encode: { try SeriesTable.encode($0) }, hash: { Hash.blake2b256($0) })
    let encoder = MetricBlockEncoder()
    let compressor: BlockBody
    /// How far sources had read when they made the samples gathered; committed with these.
    var checkpoints: [String: [UInt8]] = [:]
    /// What earlier flushes could not store, oldest first.
    var unstored: [Unstored] = []
    /// nil while it is off.
    var detection: NodeDetection?
    var detectionScrapes = 0
    /// nil while there are none.
    var rules: NodeRules?
    /// nil until the guard file has one.
    var actions: ActionDispatcher?
    var nextKeepModels = Int64.max
    /// Findings that are not in the buffer yet, oldest first.
    var waitingFindings: [Finding] = []
    /// Those that are, or were.
    var toldFindings: ToldFindings
    /// What applications and a relay's region said.
    var toldFamilies = ToldFamilies()
    /// Not in the buffer yet.
    var waitingFamilies: [MetricMetadata] = []
    var streams = StreamMetrics()
    var streamDescriptorsSent = 0
    /// Since when the derived counters count, milliseconds since 1970, for each series of ``streams``; 0 for gauges.
    var streamStarts: [Int64] = []
    var tickets: [PublishToken: UInt64] = [:]
    package var configuration: EngineConfiguration
    /// What the aggregator asked for; nil: our own interval.
    var wantedFlushMilliseconds: Int64?
    /// Monotonic milliseconds.
    let startedAt: Int64
    /// The wall clock's word for it.
    let startTime: Timestamp
    var nextFlush: Int64
    var nextTick: Int64
    package private(set) var isStopping = false
    package internal(set) var isStopped = false
    var goodbyeDeadline: Int64?

    package init(_ parts: Parts) throws {
        // What is read once here is not kept beyond: models are the better part of a megabyte.
        var lasting = parts
        (lasting.models, lasting.findings) = (nil, [])
        self.parts = lasting
        buffer = parts.buffer
        time = parts.time
        metrics = parts.metrics
        compressor = try BlockBody()
        identity = parts.identity
        configuration = parts.configuration
        let (trust, bundle) = try parts.identity.trust()
        self.trust = trust
        signingKey = try SigningKey(seed: parts.identity.signingSeed)
        boxKey = try BoxKeyPair(secretBytes: parts.identity.boxSecret)
        timeFloor = try Self.timeFloor(parts.identity, bundle, parts.buffer)
        settings = parts.configuration.settings
        startSettings = parts.configuration.settings
        if settings.isDetectionOn {
            detection = NodeDetection(
                DetectorConfiguration(trimmedShare: settings.anomalyThreshold, seed: parts.seed))
            if let models = parts.models, detection?.restore(models) == false {
                parts.report(.detection("what was learnt does not read, or is of another version: it is learnt anew"))
            }
        }
        let (kept, problem) = Self.keptControlState(in: parts.buffer)
        control = ControlStateMachine(
            agent: parts.identity.agent, state: kept, agentVersion: parts.version)
        commands = CommandLog(in: parts.buffer)
        toldFindings = (try parts.buffer.value(ToldFindings.key)).map { ToldFindings($0) } ?? ToldFindings()
        topics = AgentTopics(tenant: parts.identity.tenant, agent: parts.identity.agent)
        let keys = AgentKeys(
            tenant: parts.identity.tenant, agent: parts.identity.agent, epoch: parts.buffer.runningEpoch,
            identity: signingKey, bundle: bundle)
        let time = parts.time
        sealer = BatchSealer(
            tenant: parts.identity.tenant, agent: parts.identity.agent, keys: keys, clock: parts.clock,
            now: { time.now })
        let now = Int64(parts.time.monotonicNanoseconds / 1_000_000)
        uplink = UplinkStateMachine(
            runningEpoch: parts.buffer.runningEpoch, sessionCounter: try parts.buffer.nextSession(), seed: parts.seed,
            heldBundleVersion: bundle.version, receivedConfigurationVersion: kept.highest[.agent] ?? 0, now: now)
        startedAt = now
        startTime = parts.time.now
        nextFlush = now + parts.configuration.flushMilliseconds
        nextTick = now
        nextKeepModels = now + Self.keepModelsMilliseconds
        buffer.setLive([])
        // From the first look on: a collector that finds nothing is asked again much later.
        reportDetection()
        if let problem { parts.report(.control(problem)) }
        resumeControl()
        reportAgain(parts.findings)
        adoptFindings(parts.findings)
        perform(uplink.handle(.tick, now: now))
        for state in try buffer.laneStates(max: 64) where state.oldest < state.next {
            tell(.stored(state.laneKey, next: state.next))
        }
    }

    /// Monotonic milliseconds.
    var now: Int64 { Int64(time.monotonicNanoseconds / 1_000_000) }

    package var nextDeadlineMilliseconds: Int64 {
        var deadline = min(nextFlush, nextTick)
        if let wanted = uplink.nextDeadline { deadline = min(deadline, wanted) }
        if let wanted = control.nextDeadline { deadline = min(deadline, wanted) }
        if let goodbyeDeadline { deadline = min(deadline, goodbyeDeadline) }
        return deadline
    }

    package func handle(_ input: AgentInput) {
        switch input {
        case .scrape(let scrape): add(scrape)
        case .submission(let submission): accept(submission)
        case .source(let delivery): add(delivery)
        case .transport(let event): transportEvent(event)
        case .action(let outcome): actionEnded(outcome)
        case .dryRun(let version, let problem): tellControl(.validated(version: version, error: problem))
        case .reload: reloadSettings()
        case .stop: beginStop()
        }
    }

    /// Does whatever is due.
    package func advance() {
        let now = now
        if now >= nextTick {
            tickStreams()
            upkeep()
            watchOwnUse(now)
            if now >= nextKeepModels { keepModels() }
            nextTick = now + 1000
        }
        if now >= nextFlush { flush() }
        perform(uplink.handle(.tick, now: now))
        if let due = control.nextDeadline, now >= due { tellControl(.tick) }
        if let goodbyeDeadline, now >= goodbyeDeadline { finish() }
    }

    func tell(_ event: UplinkEvent) { perform(uplink.handle(event, now: now)) }

    var flushMilliseconds: Int64 {
        guard let wanted = wantedFlushMilliseconds else { return configuration.flushMilliseconds }
        return min(max(wanted, guardLimits.flushIntervalMillisecondsMin), configuration.flushMilliseconds)
    }

    private func add(_ scrape: Scrape) {
        accumulator.add(scrape, anomalous: detect(scrape, .collectors))
        judge(scrape, .collectors)
        for failure in scrape.failures {
            parts.report(.collectorFailed(failure.collector, "\(failure.reason)"))
        }
    }

    private func add(_ delivery: SourceDelivery) {
        accumulator.add(delivery.scrape, from: .sources, anomalous: detect(delivery.scrape, .sources))
        judge(delivery.scrape, .sources)
        if let checkpoint = delivery.checkpoint { checkpoints[checkpoint.key] = checkpoint.value }
        waitingFamilies += delivery.families.prefix(max(0, Self.waitingFamiliesMax - waitingFamilies.count))
        for point in delivery.points {
            _ = accumulator.add(point.descriptor.key, point.descriptor.type, point.sample)  // counts what it refuses
            judge(point.descriptor.key, point.sample)
        }
    }

    // MARK: Stopping

    private func beginStop() {
        guard !isStopping else { return }
        isStopping = true
        stopActions()
        flush()
        // Two seconds for what is on its way; the rest waits in the buffer for the next start.
        goodbyeDeadline = now + 2000
        tell(.stop)
        if !uplink.isOnline { finish() }
    }

    func finish() {
        guard !isStopped else { return }
        // What came in while we said goodbye.
        flush()
        let left = unstored.reduce(0) { $0 + $1.sampleCount }
        if left > 0 { parts.report(.rowsNotStored("\(left) samples end with this run")) }
        isStopped = true
        keepModels()
        parts.transport.disconnect()
        buffer.close()
    }
}

/// What somebody who runs the agent should hear of.
package enum AgentReport: Sendable, Equatable {
    case collectorFailed(String, String)
    case connected
    case disconnected(String)
    case bufferIncident(String)
    case storageRisk(String)
    case rowsNotStored(String)
    case acknowledgementRefused(String)
    case uplink(String)
    /// A source that cannot be read, and why.
    case source(String, String)
    case control(String)
    case detection(String)
    /// Something strange began, or has ended.
    case finding(Finding)
    /// What the guard file's action `log` says of a finding.
    case action(String, Finding)
    case actionFailed(ActionOutcome)
}
