import Telemetry
import WireFormat

/// One value of every record, with every field filled in differently, for golden, round-trip and fuzz tests.
enum RecordSamples {
    static let epoch = ID128(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10)
    static let other = ID128(high: 0x1112_1314_1516_1718, low: 0x191a_1b1c_1d1e_1f20)
    static let time = Timestamp(milliseconds: 1_767_225_600_123)
    static let later = Timestamp(milliseconds: 1_767_312_000_456)
    static func hash(_ byte: UInt8) -> ID256 { ID256(bytes: (0..<32).map { byte &+ $0 }) ?? .zero }
    static let clock = ClockReading(
        isSynchronized: true, errorBoundMilliseconds: 17, bootID: other, monotonicNanoseconds: 123_456_789_012)
    static let live = LaneKey(epoch: epoch, lane: .live)
    static let alert = LaneKey(epoch: epoch, lane: .alert)

    static let header = BatchHeader(
        kind: .metrics, lane: .live, flags: .staleKey, agent: AgentID(unchecked: "edge-01.ams"), epoch: epoch,
        sequence: 77, dataKeyID: other, firstTimestamp: time, lastTimestamp: later, recordCount: 5000, clock: clock,
        nonce: [UInt8](100..<124))

    static let acknowledgement = Acknowledgement(
        counter: 9, runningEpoch: epoch, aggregatorID: other,
        settled: [
            Acknowledgement.Settled(laneKey: live, contiguous: 100, ranges: [102...102, 110...300]),
            Acknowledgement.Settled(laneKey: alert, contiguous: 0),
        ],
        rejections: [
            Acknowledgement.Rejection(
                key: BatchKey(epoch: epoch, lane: .live, sequence: 101), code: .malformed, isFinal: true),
            Acknowledgement.Rejection(
                key: BatchKey(epoch: other, lane: .alert, sequence: 3), code: .notAuthentic, isFinal: false),
        ],
        needsTables: [hash(1)], needsKeys: [other], needsBirth: true, desiredConfigurationVersion: 300,
        keyBundleVersion: 4, time: time, flushIntervalMilliseconds: 1000, creditBytes: 262_144, challenge: other)

    static let birth = Birth(
        sessionCounter: 12, runningEpoch: epoch,
        lanes: [
            Birth.LaneState(
                laneKey: live, oldest: 5, next: 12, produced: LedgerCount(batches: 11, records: 5500),
                dropped: LedgerCount(batches: 1, records: 500), pending: LedgerCount(batches: 7, records: 3500))
        ],
        agentVersion: "1.2.3", clock: clock, time: time, runningConfigurationVersion: 4,
        attemptedConfigurationVersion: 5, keyBundleVersion: 6, challenge: other, bufferBytes: 1 << 20)

    static let loss = LossBody(records: [
        LossRecord(laneKey: live, sequences: 3...9, count: LedgerCount(batches: 7, records: 70), reason: .bufferFull),
        LossRecord(laneKey: alert, sequences: 2...2, count: LedgerCount(batches: 1, records: 1), reason: .damaged),
    ])

    static let roleList = RoleList(
        version: 2, issuedAt: time, root: hash(2), successorRoot: hash(3),
        keys: [
            .certificate: [hash(10)], .bundle: [hash(11)], .manifest: [hash(12), hash(13)], .command: [],
            .acknowledgement: [hash(14)],
        ])

    static let keyBundle = KeyBundle(
        version: 3, issuedAt: time, expiresAt: later,
        recipients: [
            KeyBundle.Recipient(publicKey: hash(20), useFrom: time, useUntil: later, destroyAfter: later),
            KeyBundle.Recipient(publicKey: hash(21), useFrom: later, useUntil: later, destroyAfter: later),
        ],
        revoked: [other], roleList: [1, 2, 3])

    static let certificate = Certificate(
        serial: other, tenant: TenantID(unchecked: "acme"), agent: AgentID(unchecked: "edge-01"),
        identityKey: hash(30), boxKey: hash(31), notBefore: time, notAfter: later, region: "eu-west", site: "ams1",
        job: "cdn", isRelay: true)

    /// How many bytes shorter a record of an earlier release may be: without the fields that were added at the end.
    static let addedBytes = ["certificate": 1]

    static let keyRecord = KeyRecord(
        id: epoch, createdAt: time,
        boxes: [KeyRecord.Box(recipient: other, sealed: [UInt8](repeating: 5, count: KeyRecord.boxBytes))])

    static let manifest = Manifest(
        scope: .group(GroupName(unchecked: "caches")), version: 8, previousHash: hash(40), notBefore: time,
        expiresAt: later, minimumAgentVersion: "1.0.0", body: "interval: 1s\n")

    static let report = ManifestReport(
        scope: .group(GroupName(unchecked: "caches")), desiredVersion: 9, attemptedVersion: 8, runningVersion: 7,
        step: .reverted, error: "link lost", at: time)

    static let command = Command(
        id: other, runningEpoch: epoch, notAfter: later, verb: "flush", argument: "now")

    static let commandResult = CommandResult(id: other, outcome: .refused, text: "not on this node", at: time)

    static let sealedResult = SealedResult(recipient: other, sealed: [9, 8, 7])

    static let token = EnrolmentToken(
        id: epoch, secret: [UInt8](1...16), rootHash: hash(50), tlsKeyHash: hash(51), brokerHost: "mqtt.example.org",
        brokerPort: 8883, pseudonymSecret: [UInt8](60..<92))

    static let request = EnrolmentRequest(
        tokenID: epoch, secret: [UInt8](1...16), identityKey: hash(52), boxKey: hash(53),
        agent: AgentID(unchecked: "edge-01"), hostName: "edge-01.example.org", agentVersion: "1.2.3")

    static let response = EnrolmentResponse(
        tenant: TenantID(unchecked: "acme"), agent: AgentID(unchecked: "edge-01"), certificate: [1], roleList: [2, 3],
        keyBundle: [4, 5, 6], brokerHost: "mqtt.example.org", brokerPort: 8883, isBrokerTLS: true,
        certificateAuthority: "-----BEGIN CERTIFICATE-----\n", password: "p", pseudonymKeyVersion: 2,
        sealedPseudonymKey: [7, 8])

    /// Every record type: name, golden bytes, and a check that decodes them to the same value.
    struct Case: Sendable, CustomStringConvertible {
        let name: String
        let bytes: [UInt8]
        /// Decodes any bytes; true when they give a value equal to the sample.
        let decodesToSample: @Sendable ([UInt8]) throws(WireError) -> Bool
        /// Decodes any bytes and encodes what came out.
        let reencode: @Sendable ([UInt8]) throws(WireError) -> [UInt8]
        var description: String { name }

        init<Record: WireRecord & Equatable>(_ name: String, _ sample: Record) {
            self.name = name
            bytes = sample.encoded()
            decodesToSample = { (bytes) throws(WireError) in try Record(decoding: bytes) == sample }
            reencode = { (bytes) throws(WireError) in try Record(decoding: bytes).encoded() }
        }
    }

    static let all: [Case] = [
        Case("acknowledgement", acknowledgement), Case("birth", birth),
        Case("state", ConnectionState(isOnline: true, sessionCounter: 12)), Case("loss", loss),
        Case("role-list", roleList), Case("key-bundle", keyBundle), Case("certificate", certificate),
        Case("key-record", keyRecord), Case("manifest", manifest), Case("manifest-report", report),
        Case("command", command),
        Case("command-result", commandResult), Case("sealed-result", sealedResult),
        Case("enrolment-token", token), Case("enrolment-request", request), Case("enrolment-response", response),
    ]
}
