import Ingest
import RuntimeSupport
import Sealing
import Synchronization
import Telemetry
import WireFormat

/// Bodies of the tests: as simple as can be told apart. The real codecs have their own tests.
struct PlainBodies: BodyDecoder {
    func metrics(_ body: [UInt8]) throws(WireError) -> MetricContent {
        try ByteReader.reading(body) { (reader) throws(WireError) in
            var tables: [TableReference] = []
            for _ in 0..<(try reader.readCount("tables", max: 4)) {
                tables.append(TableReference(hash: try reader.readHash("table"), count: 5))
            }
            let series = UInt32(try reader.readByte("series"))
            let samples = Int(try reader.readByte("samples"))
            guard samples > 0 else { throw .invalid("samples") }
            let group = MetricBatch.Group(
                timestamps: (0..<Int64(samples)).map { $0 }, series: [series],
                values: [Double](repeating: 1, count: samples))
            return MetricContent(tables: tables, samples: MetricBatch(groups: [group]))
        }
    }
    func table(_ body: [UInt8]) throws(WireError) -> (encoded: [UInt8], series: [SeriesDescriptor]) {
        guard let count = body.first, count < 100 else { throw .invalid("table") }
        return (body, (0..<count).map { SeriesDescriptor(key: SeriesKey(name: "m\($0)"), type: .gauge) })
    }
    func events(_ body: [UInt8]) throws(WireError) -> EventContent {
        guard let count = body.first, count < 100 else { throw .tooLarge("events") }
        return EventContent(count: Int(count))
    }

    func findings(_ body: [UInt8]) throws(WireError) -> [Finding] { try FindingBlock.decode(body) }
    func metadata(_ body: [UInt8]) throws(WireError) -> [MetricMetadata] { try MetadataBlock.decode(body) }

    static func metrics(_ tables: [TableHash], series: UInt8, samples: UInt8) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(varint: UInt64(tables.count))
        for table in tables { writer.write(table) }
        writer.write(series)
        writer.write(samples)
        return writer.bytes
    }
}

/// A store in memory. What is in it is durable; `failures` commits to come fail.
final class MemoryStore: IngestStore {
    struct Failure: Error {}
    var failures = 0
    /// Commits that take effect although they report a failure.
    var isOutcomeUnknown = false
    private(set) var blocks: [String: [BatchKey: IngestCommit.Block]] = [:]
    private(set) var repeatedBlocks = 0
    private(set) var dedup: [String: DedupState] = [:]
    private(set) var tables: [String: IngestCommit.Table] = [:]
    private(set) var fleet: [AgentID: FleetState] = [:]
    private(set) var parked: [IngestCommit.ParkedPayload] = []
    private(set) var losses: [IngestCommit.Loss] = []
    private(set) var clockReferences: [IngestCommit.ClockReference] = []

    func loadIngest(of tenant: TenantID) throws -> IngestSnapshot {
        IngestSnapshot(
            dedup: Array(dedup.values),
            tables: tables.values.map {
                IngestSnapshot.KnownTable(agent: $0.agent, hash: $0.hash, seriesCount: UInt32($0.series.count))
            },
            fleet: Array(fleet.values))
    }

    func commit(_ commit: IngestCommit, of tenant: TenantID) throws {
        if failures > 0 {
            failures -= 1
            if isOutcomeUnknown { apply(commit) }
            throw Failure()
        }
        apply(commit)
    }

    private func apply(_ commit: IngestCommit) {
        for block in commit.blocks {
            if blocks[block.agent.rawValue, default: [:]].updateValue(block, forKey: block.key) != nil {
                repeatedBlocks += 1
            }
        }
        for state in commit.dedup { dedup["\(state.agent) \(state.laneKey.epoch) \(state.laneKey.lane)"] = state }
        for table in commit.tables { tables["\(table.agent) \(table.hash)"] = table }
        for state in commit.fleet { fleet[state.agent] = state }
        parked += commit.parked
        losses += commit.losses
        clockReferences += commit.clockReferences
        for lane in commit.forgotten { dedup["\(lane.agent) \(lane.laneKey.epoch) \(lane.laneKey.lane)"] = nil }
    }

    func committedCount(
        of tenant: TenantID, agent: AgentID, lane: LaneKey, within sequences: ClosedRange<UInt64>
    ) throws -> LedgerCount? {
        (blocks[agent.rawValue] ?? [:]).values
            .filter { $0.key.laneKey == lane && sequences.contains($0.key.sequence) }
            .reduce(LedgerCount()) { $0 + LedgerCount(batches: 1, records: UInt64($1.header.recordCount)) }
    }

    var blockCount: Int { blocks.values.reduce(0) { $0 + $1.count } }
}

final class MemoryKeyRecords: KeyRecordStore {
    private let records = Mutex<[String: [UInt8]]>([:])
    func store(_ payload: [UInt8], of tenant: TenantID, agent: AgentID, id: DataKeyID, at time: Timestamp) throws {
        records.withLock { $0["\(tenant)/\(agent)/\(id)"] = payload }
    }
    func load(of tenant: TenantID, agent: AgentID, id: DataKeyID) throws -> [UInt8]? {
        records.withLock { $0["\(tenant)/\(agent)/\(id)"] }
    }
}

final class CertificateTable: CertificateSource {
    private let certificates = Mutex<[String: Certificate]>([:])
    func add(_ certificate: Certificate) {
        certificates.withLock { $0["\(certificate.tenant)/\(certificate.agent)"] = certificate }
    }
    func certificate(of agent: AgentID, in tenant: TenantID, at time: Timestamp) -> Certificate? {
        certificates.withLock { $0["\(tenant)/\(agent)"] }.flatMap { $0.isValid(at: time) ? $0 : nil }
    }
}

/// An aggregator's ingest with everything real but the store, the bodies and the clock.
final class IngestBench {
    static let tenant = TenantID(unchecked: "acme")
    let time = ManualTimeSource()
    let store = MemoryStore()
    let certificates = CertificateTable()
    let pair = BoxKeyPair()
    let ring = KeyRing()
    let records = MemoryKeyRecords()
    let opener: BatchOpener
    let gate = MessageGate(itemsPerTenantMax: 4096, bytesPerTenantMax: 16 << 20)
    var ingest: TenantIngest
    private(set) var acknowledgements: [(agent: AgentID, acknowledgement: Acknowledgement)] = []

    init() throws {
        ring.add(pair, destroyAfter: .distantFuture)
        opener = BatchOpener(certificates: certificates, keys: ring, records: records, bodies: PlainBodies())
        ingest = try Self.make(store, gate, time.now)
    }

    private static func make(_ store: MemoryStore, _ gate: MessageGate, _ now: Timestamp) throws -> TenantIngest {
        try TenantIngest(
            tenant: tenant, configuration: IngestConfiguration(aggregatorID: ID128(high: 9, low: 9)), store: store,
            generator: SeededGenerator(seed: 7), settled: gate.settled, now: now)
    }

    /// The aggregator starts anew from what is durable.
    func restart() throws { ingest = try Self.make(store, gate, time.now) }

    func agent(_ name: String = "edge-01", epoch: UInt64 = 1) -> TestAgent {
        TestAgent(bench: self, name: name, epoch: epoch)
    }

    @discardableResult
    func send(_ topic: UpTopic, _ payload: [UInt8], from agent: TestAgent) -> OpenedMessage.Content? {
        let topics = AgentTopics(tenant: Self.tenant, agent: agent.id)
        guard let message = opener.open(topic: topics.up(topic), payload: payload, now: time.now) else { return nil }
        ingest.receive(message, now: time.now)
        return message.content
    }

    /// One turn of the writer: commit, then 250 ms later the acknowledgements.
    @discardableResult
    func turn() -> [Acknowledgement] {
        if let commit = ingest.prepareCommit(now: time.now) {
            do {
                try store.commit(commit, of: Self.tenant)
                ingest.committed(commit.number)
            } catch {
                ingest.failed(commit.number)
            }
        }
        time.advance(milliseconds: IngestLimits.acknowledgementDelayMilliseconds)
        let made = ingest.acknowledgements(now: time.now)
        acknowledgements += made.map { ($0.0, $0.1) }
        return made.map(\.1)
    }

    func lane(_ agent: TestAgent, _ lane: Lane = .live) -> DedupState? {
        ingest.ledger(of: agent.id).first { $0.laneKey == LaneKey(epoch: agent.epoch, lane: lane) }
    }
}

/// Seals what a real agent would, without a buffer.
final class TestAgent {
    let bench: IngestBench
    let id: AgentID
    let epoch: EpochID
    let identity: SigningKey
    var keys: AgentKeys
    var sessionCounter: UInt64 = 1
    var isClockSynchronized = true
    var clockOffsetMilliseconds: Int64 = 0

    init(bench: IngestBench, name: String, epoch: UInt64, identity: SigningKey = SigningKey()) {
        self.bench = bench
        id = AgentID(unchecked: name)
        self.epoch = ID128(high: 0xe0, low: epoch)
        self.identity = identity
        let bundle = KeyBundle(
            version: 1, issuedAt: .distantPast, expiresAt: .distantFuture,
            recipients: [
                KeyBundle.Recipient(
                    publicKey: bench.pair.publicKey, useFrom: .distantPast, useUntil: .distantFuture,
                    destroyAfter: .distantFuture)
            ], roleList: [])
        keys = AgentKeys(tenant: IngestBench.tenant, agent: id, epoch: self.epoch, identity: identity, bundle: bundle)
        bench.certificates.add(
            Certificate(
                serial: .zero, tenant: IngestBench.tenant, agent: id, identityKey: identity.publicKey.id, boxKey: .zero,
                notBefore: .distantPast, notAfter: .distantFuture))
    }

    /// The same agent started again, or its clone.
    func again(epoch: UInt64) -> TestAgent {
        TestAgent(bench: bench, name: id.rawValue, epoch: epoch, identity: identity)
    }

    var clock: ClockReading {
        ClockReading(
            isSynchronized: isClockSynchronized, errorBoundMilliseconds: 1, bootID: epoch,
            monotonicNanoseconds: bench.time.monotonicNanoseconds)
    }
    var now: Timestamp { bench.time.now.advanced(byMilliseconds: clockOffsetMilliseconds) }

    /// The key batch and the payload of a batch.
    func seal(
        _ kind: BatchKind, _ sequence: UInt64, lane: Lane = .live, records: UInt32 = 3,
        flags: BatchHeader.Flags = [], last: Timestamp? = nil, body: [UInt8]
    ) throws -> [UInt8] {
        let current = try keys.next(now: now, clock: clock).current
        let header = BatchHeader(
            kind: kind, lane: lane, flags: flags, agent: id, epoch: epoch, sequence: sequence,
            dataKeyID: current.key.id,
            // The bodies' samples are at 0 ms and after.
            firstTimestamp: kind == .metrics ? Timestamp(milliseconds: 0) : now, lastTimestamp: last ?? now,
            recordCount: records, clock: clock, nonce: RandomBytes.nonce())
        return SealedBatch.seal(header: header, tenant: IngestBench.tenant, plaintext: body, key: current.key)
    }

    func keyBatch() throws -> [UInt8] { try keys.next(now: now, clock: clock).current.payload }

    static let table: [UInt8] = [5, 1, 2, 3]
    static var tableHash: TableHash { Hash.blake2b256(table) }
    func tableBatch() throws -> [UInt8] { try seal(.table, 0, records: 5, body: Self.table) }
    func metrics(_ sequence: UInt64, series: UInt8 = 4) throws -> [UInt8] {
        try seal(.metrics, sequence, body: PlainBodies.metrics([Self.tableHash], series: series, samples: 3))
    }
    func events(_ sequence: UInt64, lane: Lane = .live, count: UInt8 = 3) throws -> [UInt8] {
        try seal(.events, sequence, lane: lane, records: UInt32(count), body: [count])
    }
    func loss(_ sequence: UInt64, _ records: [LossRecord]) throws -> [UInt8] {
        try seal(
            .loss, sequence, lane: .alert, records: UInt32(records.count), body: LossBody(records: records).encoded())
    }
    func birth(challenge: ID128 = .zero, nextLive: UInt64 = 1) -> [UInt8] {
        let empty = LedgerCount()
        let record = Birth(
            sessionCounter: sessionCounter, runningEpoch: epoch,
            lanes: [
                Birth.LaneState(
                    laneKey: LaneKey(epoch: epoch, lane: .live), oldest: min(1, nextLive), next: nextLive,
                    produced: empty,
                    dropped: empty, pending: empty)
            ],
            agentVersion: "1", clock: clock, time: now, challenge: challenge)
        return SignedRecord.sign(.birth, tenant: IngestBench.tenant, agent: id, record: record, with: identity)
    }

    /// Birth, key and table: what a connection begins with.
    func connect() throws {
        bench.send(.birth, birth(), from: self)
        bench.send(.batch(.live), try keyBatch(), from: self)
        bench.send(.batch(.live), try tableBatch(), from: self)
    }
    func send(_ payload: [UInt8], route: BatchRoute = .live) { bench.send(.batch(route), payload, from: self) }
}
