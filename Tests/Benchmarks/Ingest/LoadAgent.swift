import AgentCore
import MQTT
import RuntimeSupport
import Sealing
import Telemetry
import TestSupport
import Uplink
import WireFormat

/// One agent with everything sealed beforehand: only publishing, counting and waiting for credit remain.
/// Used by the loader's thread only.
final class LoadAgent {
    let number: Int
    let identity: AgentIdentity
    private let trust: FleetTrust
    private let bundle: KeyBundle
    let topics: AgentTopics
    let epoch: EpochID
    let sessionCounter: UInt64
    let client: MosquittoClient
    private(set) var payloads: [[UInt8]] = []
    private(set) var keyPayload: [UInt8] = []
    private(set) var tablePayload: [UInt8] = []

    private var isSettled: [Bool] = []
    private(set) var settledCount = 0
    private(set) var sentCount = 0
    private var unacknowledgedBytes = 0
    private var creditBytes = Int(UplinkLimits.initialCreditBytes)
    private(set) var resentCount = 0
    private(set) var rejectedCount = 0
    private var contiguous = 0

    init(
        number: Int, identity: AgentIdentity, sink: @escaping TransportSink, generator: inout SecureGenerator
    ) throws {
        self.number = number
        self.identity = identity
        (trust, bundle) = try identity.trust()
        topics = AgentTopics(tenant: identity.tenant, agent: identity.agent)
        epoch = EpochID(random: &generator)
        sessionCounter = UInt64(SystemTimeSource().now.milliseconds)
        client = MosquittoClient(timeSource: SystemTimeSource(), sink: sink)
    }

    var isFinished: Bool { settledCount == payloads.count }
    var sealedBytes: Int { payloads.reduce(0) { $0 + $1.count } }

    // MARK: Before the clock runs

    func seal(_ plan: LoadPlan, _ workload: Workload) throws {
        let time = SystemTimeSource()
        let clock = ClockReading(
            isSynchronized: true, errorBoundMilliseconds: 1, bootID: epoch,
            monotonicNanoseconds: time.monotonicNanoseconds)
        var keys = AgentKeys(
            tenant: identity.tenant, agent: identity.agent, epoch: epoch,
            identity: try SigningKey(seed: identity.signingSeed), bundle: bundle)
        let key = try keys.next(now: time.now, clock: clock).current
        keyPayload = key.payload
        let sealing = Sealing(agent: self, clock: clock, key: key, compressor: try BlockBody())
        let table = try SeriesTable.encode(workload.descriptors)
        tablePayload = try sealing.seal(.table, 0, workload.descriptors.count, time.now, time.now, table)
        let tables = [TableReference(hash: Hash.blake2b256(table), count: UInt32(workload.descriptors.count))]
        let series = workload.descriptors.indices.map { UInt32($0) }
        let metrics = MetricBlockEncoder()
        let events = EventBlockEncoder()
        for batch in 0..<plan.batchesPerAgent {
            switch plan.content {
            case .metrics(let ticks):
                let timestamps = plan.timestamps(of: batch)
                let values = workload.values(agent: number, ticks: batch * ticks..<(batch + 1) * ticks)
                let group = MetricBatch.Group(timestamps: timestamps, series: series, values: values)
                let block = try metrics.encode(MetricBatch(groups: [group]), tables: tables)
                payloads.append(
                    try sealing.seal(
                        .metrics, batch + 1, values.count, Timestamp(milliseconds: timestamps[0]),
                        Timestamp(milliseconds: timestamps[ticks - 1]), block))
            case .events:
                let sample = sampleEvents(plan, batch)
                let block = try events.encode(sample)
                payloads.append(
                    try sealing.seal(
                        .events, batch + 1, sample.count, sample[0].at, sample[sample.count - 1].at, block))
            }
        }
        isSettled = Array(repeating: false, count: payloads.count)
    }

    /// Compresses and seals blocks of one epoch under one key.
    private struct Sealing {
        let agent: LoadAgent
        let clock: ClockReading
        let key: AgentKeys.Current
        let compressor: BlockBody

        func seal(
            _ kind: BatchKind, _ sequence: Int, _ records: Int, _ first: Timestamp, _ last: Timestamp, _ block: [UInt8]
        ) throws -> [UInt8] {
            let header = BatchHeader(
                kind: kind, lane: .live, flags: key.flags, agent: agent.identity.agent, epoch: agent.epoch,
                sequence: UInt64(sequence), dataKeyID: key.key.id, firstTimestamp: first, lastTimestamp: last,
                recordCount: UInt32(records), clock: clock, nonce: RandomBytes.nonce())
            return SealedBatch.seal(
                header: header, tenant: agent.identity.tenant, plaintext: try compressor.compress(block), key: key.key)
        }
    }

    /// Events of the last minute before the plan's end, each with an identifier of its own.
    private func sampleEvents(_ plan: LoadPlan, _ batch: Int) -> [ListeningEvent] {
        var generator = SeededGenerator(seed: UInt64(number) << 32 | UInt64(batch))
        var events = SampleEvents.make(LoadPlan.eventsPerBatch, using: &generator)
        let shift = plan.end.milliseconds - (events.last?.at.milliseconds ?? 0) - Int64(batch) * 10
        for index in events.indices {
            events[index].id = "\(epoch)-\(batch)-\(index)"
            events[index].at = events[index].at.advanced(byMilliseconds: shift)
            events[index].receivedAt = events[index].receivedAt.advanced(byMilliseconds: shift)
        }
        return events
    }

    // MARK: On the connection

    func connect() throws {
        let will = ConnectionState(isOnline: false, sessionCounter: sessionCounter)
        try client.connect(
            TransportOptions(
                host: identity.brokerHost, port: identity.brokerPort,
                tls: identity.isBrokerTLS
                    ? TransportOptions.TLS(certificateAuthorityPEM: identity.certificateAuthority) : nil,
                clientID: "sbx-\(epoch)", user: "\(identity.tenant)/\(identity.agent)", password: identity.password,
                will: TransportOptions.Will(topic: topics.up(.state), payload: will.encoded())))
    }

    /// State, birth, data key and series table, as after each connection.
    func announce() throws {
        try client.subscribe(topics.subscriptions)
        let state = ConnectionState(isOnline: true, sessionCounter: sessionCounter)
        _ = try client.publish(topic: topics.up(.state), payload: state.encoded(), retain: true)
        let time = SystemTimeSource()
        let birth = Birth(
            sessionCounter: sessionCounter, runningEpoch: epoch, lanes: [], agentVersion: "bench",
            clock: ClockReading(
                isSynchronized: true, errorBoundMilliseconds: 1, bootID: epoch,
                monotonicNanoseconds: time.monotonicNanoseconds), time: time.now,
            keyBundleVersion: bundle.version)
        let signed = SignedRecord.sign(
            .birth, tenant: identity.tenant, agent: identity.agent, record: birth,
            with: try SigningKey(seed: identity.signingSeed))
        _ = try client.publish(topic: topics.up(.birth), payload: signed, retain: false)
        let live = topics.up(.batch(.live))
        _ = try client.publish(topic: live, payload: keyPayload, retain: false)
        _ = try client.publish(topic: live, payload: tablePayload, retain: false)
    }

    /// Publishes as a real uplink may: messages in flight, unacknowledged rows and credit are bounded.
    func send() throws {
        let live = topics.up(.batch(.live))
        while sentCount < payloads.count, sentCount - settledCount < UplinkLimits.unacknowledgedRowsMax,
            client.inFlight < UplinkLimits.inFlightMax - 4,
            unacknowledgedBytes + payloads[sentCount].count <= creditBytes
        {
            _ = try client.publish(topic: live, payload: payloads[sentCount], retain: false)
            unacknowledgedBytes += payloads[sentCount].count
            sentCount += 1
        }
    }

    /// - Returns: how many batches this settles for the first time.
    func take(acknowledgement payload: [UInt8]) throws -> Int {
        let acknowledgement = try trust.acknowledgement(payload, tenant: identity.tenant, agent: identity.agent)
        creditBytes = Int(min(acknowledgement.creditBytes, UplinkLimits.creditBytesMax))
        rejectedCount += acknowledgement.rejections.count
        let before = settledCount
        for settled in acknowledgement.settled where settled.laneKey == LaneKey(epoch: epoch, lane: .live) {
            while contiguous < min(Int(settled.contiguous), payloads.count) {
                settle(contiguous)
                contiguous += 1
            }
            for range in settled.ranges { for sequence in range { settle(Int(sequence) - 1) } }
        }
        return settledCount - before
    }

    private func settle(_ index: Int) {
        guard payloads.indices.contains(index), !isSettled[index] else { return }
        isSettled[index] = true
        settledCount += 1
        unacknowledgedBytes -= payloads[index].count
    }

    /// After a silence: what was dropped on the way goes again.
    func resend() throws {
        for index in 0..<sentCount where !isSettled[index] && client.inFlight < UplinkLimits.inFlightMax - 4 {
            _ = try client.publish(topic: topics.up(.batch(.live)), payload: payloads[index], retain: false)
            resentCount += 1
        }
    }
}
