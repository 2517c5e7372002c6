import Actions
import AgentCore
import Buffer
import Collectors
import Control
import Intake
import MQTT
import RuntimeSupport
import Sealing
import Telemetry
import TestSupport
import WireFormat

/// An engine with a broker that is a fake and an aggregator that is this: it acknowledges and signs manifests.
final class ControlBench {
    static let tenant = TenantID(unchecked: "acme")
    static let agent = AgentID(unchecked: "edge-1")
    static let certificateEnd = Timestamp(seconds: 3_000_000_000)
    /// Hosts at which the broker answers.
    var reachableHost = "127.0.0.1"

    let directory: TemporaryDirectory
    let time = ManualTimeSource()
    let manifestKey = SigningKey()
    private let acknowledgementKey = SigningKey()
    private let identity: AgentIdentity
    private var events: [TransportEvent] = []
    private var transport: BenchTransport?
    private var engine: AgentEngine?
    private(set) var buffer: Buffer?
    let metrics = OwnMetrics()
    /// Records of metric rows that arrived, by their keys: each row once.
    private(set) var arrived: [BatchKey: UInt32] = [:]
    /// Names in ``AgentReport/control(_:)``.
    private(set) var notes: [String] = []
    /// That came into force.
    private(set) var pseudonymKeys: [PseudonymKey] = []
    /// The node's own settings, as they are read.
    var nodeSettings = AgentSettings()
    private let box: BoxKeyPair
    private let signing: SigningKey
    private let certificates: SigningKey
    /// Private half of the bundle's recipient: what the aggregator opens results with.
    private let recipientPair = BoxKeyPair()
    let commandKey = SigningKey()
    private var ticks = 0
    private var counter: UInt64 = 0
    private(set) var applied: [AgentSettings] = []
    private(set) var reports: [ManifestReport] = []
    private(set) var results: [CommandResult] = []
    private(set) var persisted: [AgentIdentity] = []
    var guardLimits = GuardLimits()
    private(set) var births: [Birth] = []
    /// As the file of findings holds them, over restarts.
    private(set) var kept: [ID128: Finding] = [:]
    /// Headers of rows of findings that arrived, in their order, as often as they did.
    private(set) var findingRows: [BatchHeader] = []
    /// Actions that were begun, and what became of all.
    private(set) var jobs: [ActionJob] = []
    private(set) var outcomes: [ActionOutcome] = []
    private var starts: UInt64 = 0
    /// Each start has an epoch of its own, as a node's; false: the first one's.
    var renewsEpoch = false
    var ownUse: OwnUse?
    /// Of the aggregator.
    var acknowledges = true
    /// Of all PUBLISH packets so far, from the first byte of their header.
    private(set) var publishedBytes = 0

    init() throws {
        directory = try TemporaryDirectory("control")
        let (root, certificates, bundles) = (SigningKey(), SigningKey(), SigningKey())
        let (signing, box) = (SigningKey(), BoxKeyPair())
        self.certificates = certificates
        let past = Timestamp(milliseconds: 0)
        let future = Timestamp(seconds: 4_000_000_000)
        let roleList = RoleList(
            version: 1, issuedAt: past, root: root.publicKey.id,
            keys: [
                .certificate: [certificates.publicKey.id], .bundle: [bundles.publicKey.id],
                .manifest: [manifestKey.publicKey.id], .command: [commandKey.publicKey.id],
                .acknowledgement: [acknowledgementKey.publicKey.id],
            ]
        ).signed(with: root)
        let recipient = KeyBundle.Recipient(
            publicKey: recipientPair.publicKey, useFrom: past, useUntil: future, destroyAfter: future)
        let bundle = SignedRecord.sign(
            .keyBundle,
            record: KeyBundle(
                version: 1, issuedAt: past, expiresAt: future, recipients: [recipient], roleList: roleList),
            with: bundles)
        let certificate = Certificate(
            serial: .zero, tenant: Self.tenant, agent: Self.agent, identityKey: signing.publicKey.id,
            boxKey: box.publicKey, notBefore: past, notAfter: Self.certificateEnd)
        identity = try AgentIdentity(
            EnrolmentResponse(
                tenant: Self.tenant, agent: Self.agent,
                certificate: SignedRecord.sign(
                    .certificate, tenant: Self.tenant, agent: Self.agent, record: certificate, with: certificates),
                roleList: roleList, keyBundle: bundle, brokerHost: "127.0.0.1", brokerPort: 1883, isBrokerTLS: false,
                certificateAuthority: "", password: "secret"), signingKey: signing, boxKey: box,
            rootHash: Hash.blake2b256(root.publicKey.id.bytes))
        self.box = box
        self.signing = signing
        try restart()
    }

    /// The process ends without goodbye and begins anew over the same files.
    func restart() throws {
        events.removeAll()
        engine = nil
        buffer = nil
        ticks = 0
        let transport = BenchTransport { [weak self] in
            self?.events.append($0)
        } isReachable: { [weak self] in
            self?.reachableHost == $0
        }
        self.transport = transport
        let buffer = try Buffer(
            path: directory.file("buffer.sqlite"), time: time,
            generator: SeededGenerator(seed: renewsEpoch ? starts + 1 : 1))
        self.buffer = buffer
        let time = time
        starts += 1
        var parts = AgentEngine.Parts(
            identity: identity, configuration: EngineConfiguration(), buffer: buffer, transport: transport,
            time: time, seed: starts,
            clock: {
                ClockReading(
                    isSynchronized: true, errorBoundMilliseconds: 1, bootID: .zero,
                    monotonicNanoseconds: time.monotonicNanoseconds)
            }, metrics: metrics, version: "0.1.0",
            persist: { [weak self] in self?.persisted.append($0) },
            report: { [weak self] in if case .control(let note) = $0 { self?.notes.append(note) } },
            control: hooks)
        parts.findings = Array(kept.values)
        parts.keepFindings = { [weak self] in for finding in $0 { self?.kept[finding.id] = finding } }
        parts.act = { [weak self] in self?.jobs.append($0) }
        parts.keepActions = { [weak self] in self?.outcomes += $0 }
        engine = try AgentEngine(parts)
    }

    private var hooks: ControlHooks {
        var hooks = ControlHooks(
            reload: { [weak self] in
                self.map { ControlHooks.NodeSettings(settings: $0.nodeSettings, guardLimits: $0.guardLimits) }
            },
            apply: { [weak self] in
                self?.applied.append($0)
                return nil
            }, ownUse: { [weak self] in self?.ownUse }, collectors: ["disk"])
        hooks.pseudonymKey = { [weak self] in self?.pseudonymKeys.append($0) }
        return hooks
    }

    /// Lets time pass in steps of half a second; a sample and what the broker has to say in each.
    func run(seconds: Int) {
        for _ in 0..<seconds * 2 {
            time.advance(milliseconds: 500)
            let descriptor = SeriesDescriptor(key: SeriesKey(name: "x"), type: .gauge)
            let scrape = Scrape(
                timestamp: time.now, intervalMilliseconds: 500, layout: 1,
                newDescriptors: ticks == 0 ? [descriptor] : [], handles: [0], values: [Double(ticks)])
            ticks += 1
            engine?.handle(.scrape(scrape))
            engine?.advance()
            deliver()
        }
    }

    func reload() { engine?.handle(.reload) }

    /// Into the file of findings only, as if the process had ended before the buffer had it.
    func keep(_ finding: Finding) { kept[finding.id] = finding }

    var boxKey: ID256 { box.publicKey }

    /// SIGTERM, and what the broker has to say to it.
    func stop() {
        engine?.handle(.stop)
        deliver()
        time.advance(milliseconds: 3000)
        engine?.advance()
    }

    /// The thread of an action says how it ended.
    func end(_ job: ActionJob, _ result: ActionOutcome.Result) {
        engine?.handle(.action(ActionOutcome(job, result, "", at: time.now)))
    }

    /// As if detection had found this.
    func tell(_ findings: [Finding]) { engine?.tell(findings) }

    func submit(_ metrics: [MetricRecord]) -> IntakeOutcome? {
        let box = OutcomeBox()
        engine?.handle(.submission(IntakeSubmission(metrics: metrics) { box.outcomes.append($0) }))
        deliver()
        return box.outcomes.count == 1 ? box.outcomes[0] : nil
    }

    /// A second passes; the collectors have read this.
    func second(_ scrape: (Timestamp) -> Scrape) {
        time.advance(milliseconds: 1000)
        engine?.handle(.scrape(scrape(time.now)))
        engine?.advance()
        deliver()
    }

    func push(_ body: String, version: UInt64, key: SigningKey? = nil) throws {
        let manifest = Manifest(
            scope: .agent(Self.agent), version: version, previousHash: .zero, notBefore: time.now,
            expiresAt: time.now.advanced(byMilliseconds: 86_400_000), body: body)
        let record = SignedRecord.sign(
            .manifest, tenant: Self.tenant, agent: Self.agent, record: manifest, with: key ?? manifestKey)
        let topic = AgentTopics(tenant: Self.tenant, agent: Self.agent).configuration
        engine?.handle(
            .transport(.message(topic: topic, payload: try SealedBox.seal(record, to: box.publicKey), isRetained: true))
        )
        deliver()
    }

    func push(_ body: String, version: UInt64, group: GroupName) {
        let manifest = Manifest(
            scope: .group(group), version: version, previousHash: .zero, notBefore: time.now,
            expiresAt: time.now.advanced(byMilliseconds: 86_400_000), body: body)
        let record = SignedRecord.sign(.manifest, tenant: Self.tenant, record: manifest, with: manifestKey)
        let topic = Topics.groupConfiguration(Self.tenant, group)
        engine?.handle(.transport(.message(topic: topic, payload: record, isRetained: true)))
        deliver()
    }

    func send(_ command: Command, key: SigningKey? = nil) throws {
        let record = SignedRecord.sign(
            .command, tenant: Self.tenant, agent: Self.agent, record: command, with: key ?? commandKey)
        let topic = AgentTopics(tenant: Self.tenant, agent: Self.agent).command
        let payload = try SealedBox.seal(record, to: box.publicKey)
        engine?.handle(.transport(.message(topic: topic, payload: payload, isRetained: false)))
        deliver()
    }

    /// A certificate as the aggregator would issue it, for this agent's keys or another's.
    func certificate(until end: Timestamp, isOwn: Bool = true) -> [UInt8] {
        let certificate = Certificate(
            serial: .zero, tenant: Self.tenant, agent: Self.agent,
            identityKey: isOwn ? signing.publicKey.id : SigningKey().publicKey.id, boxKey: box.publicKey,
            notBefore: Timestamp(milliseconds: 0), notAfter: end)
        return SignedRecord.sign(
            .certificate, tenant: Self.tenant, agent: Self.agent, record: certificate, with: certificates)
    }

    var subscriptions: Set<String> { Set(transport?.subscriptions ?? []) }

    private func deliver() {
        for _ in 0..<50 {
            let batch = events
            events.removeAll()
            for event in batch { engine?.handle(.transport(event)) }
            let sent = transport?.takeSent() ?? []
            for (topic, payload) in sent {
                publishedBytes += Self.packetBytes(topic, payload)
                take(topic, payload)
            }
            if batch.isEmpty, sent.isEmpty { return }
        }
    }

    /// A QoS 1 PUBLISH without properties: type, remaining length (7 bits a byte), topic with its length, packet
    /// identifier, length of the properties (MQTT 5, 3.3).
    private static func packetBytes(_ topic: String, _ payload: [UInt8]) -> Int {
        let remaining = 2 + topic.utf8.count + 2 + 1 + payload.count
        return 1 + (remaining < 128 ? 1 : remaining < 16_384 ? 2 : remaining < 2_097_152 ? 3 : 4) + remaining
    }

    private func take(_ topic: String, _ payload: [UInt8]) {
        let keys = [signing.publicKey.id]
        if topic.hasSuffix("/result"), let sealed = try? SealedResult(decoding: payload),
            let record = try? recipientPair.open(sealed.sealed)
        {
            if let report = try? SignedRecord.open(
                record, as: ManifestReport.self, .result, tenant: Self.tenant, agent: Self.agent, keys: keys)
            {
                reports.append(report)
            }
            if let result = try? SignedRecord.open(
                record, as: CommandResult.self, .commandResult, tenant: Self.tenant, agent: Self.agent, keys: keys)
            {
                results.append(result)
            }
        }
        if topic.hasSuffix("/birth"),
            let body = try? SignedRecord.verify(payload, .birth, tenant: Self.tenant, agent: Self.agent, keys: keys),
            let birth = try? Birth(decoding: body)
        {
            births.append(birth)
        }
        if topic.contains("/batch/"), let header = try? BatchHeader(decodingPrefixOf: payload), header.kind == .metrics
        {
            arrived[header.key] = header.recordCount
        }
        if topic.hasSuffix("/batch/alert"), let header = try? BatchHeader(decodingPrefixOf: payload),
            header.kind == .findings
        {
            findingRows.append(header)
        }
        if topic.contains("/batch/"), acknowledges, let header = try? BatchHeader(decodingPrefixOf: payload),
            header.sequence > 0
        {
            counter += 1
            let answer = Acknowledgement(
                counter: counter, runningEpoch: header.epoch, aggregatorID: .zero,
                settled: [.init(laneKey: header.key.laneKey, contiguous: header.sequence)], time: time.now,
                creditBytes: 1 << 20)
            let signed = SignedRecord.sign(
                .acknowledgement, tenant: Self.tenant, agent: Self.agent, record: answer, with: acknowledgementKey)
            let topics = AgentTopics(tenant: Self.tenant, agent: Self.agent)
            events.append(.message(topic: topics.acknowledgement, payload: signed, isRetained: false))
        }
    }
}

/// A transport to a broker that takes everything at once.
///
/// `@unchecked Sendable`: one thread runs engine and test.
final class BenchTransport: MessageTransport, @unchecked Sendable {
    private let sink: (TransportEvent) -> Void
    private let isReachable: (String) -> Bool
    private var isConnected = false
    private var sent: [(topic: String, payload: [UInt8])] = []
    private var tokens: UInt64 = 0

    init(sink: @escaping (TransportEvent) -> Void, isReachable: @escaping (String) -> Bool) {
        self.sink = sink
        self.isReachable = isReachable
    }

    let inFlight = 0

    func connect(_ options: TransportOptions) throws(TransportError) {
        isConnected = isReachable(options.host)
        sink(
            isConnected
                ? .connected(ConnectionLimits(receiveMaximum: 20, maximumPacketSizeBytes: 1 << 20))
                : .connectFailed(TransportFailure(.unreachable, "nobody is there")))
    }

    func disconnect() {
        guard isConnected else { return }
        isConnected = false
        sink(.disconnected(TransportFailure(.requested, "")))
    }

    func abandon() { disconnect() }

    private(set) var subscriptions: [String] = []

    func subscribe(_ filters: [String], _ quality: QualityOfService) throws(TransportError) { subscriptions = filters }

    func publish(topic: String, payload: [UInt8], retain: Bool) throws(TransportError) -> PublishToken {
        guard isConnected else { throw .notConnected }
        tokens += 1
        sent.append((topic, payload))
        sink(.published(PublishToken(rawValue: tokens)))
        return PublishToken(rawValue: tokens)
    }

    func takeSent() -> [(topic: String, payload: [UInt8])] {
        defer { sent.removeAll() }
        return sent
    }
}

/// `@unchecked Sendable`: one thread runs engine and test.
private final class OutcomeBox: @unchecked Sendable { var outcomes: [IntakeOutcome] = [] }
