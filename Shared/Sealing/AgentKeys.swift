public import Telemetry
public import WireFormat

/// The data keys of one run of an agent: which key seals the next batch, and the signed record that
/// brings it to the aggregator. The engine's thread only.
///
/// A key serves one hour or 2^20 batches. It is sealed to every recipient of the bundle that is in use at
/// that moment; when none is (cut off beyond the published keys), to the last one known, and its batches
/// carry the flag `staleKey`.
public struct AgentKeys {
    public static let keyMillisecondsMax: Int64 = 3_600_000
    public static let keyBatchesMax = 1 << 20
    /// Of one key record: today's recipient and its neighbours.
    public static let recipientsMax = 2

    public struct Current: Sendable {
        public let key: DataKey
        public let flags: BatchHeader.Flags
        /// After this the aggregator can no longer open the key's batches.
        public let destroyAfter: Timestamp
        /// The complete PUBLISH payload of the `key` batch; to be stored before any batch under the key is.
        public let payload: [UInt8]
        fileprivate let madeMonotonicNanoseconds: UInt64
        fileprivate var batches = 0
    }

    public let tenant: TenantID
    public let agent: AgentID
    public let epoch: EpochID
    public private(set) var bundle: KeyBundle
    public private(set) var current: Current?
    private let identity: SigningKey

    public init(tenant: TenantID, agent: AgentID, epoch: EpochID, identity: SigningKey, bundle: KeyBundle) {
        self.tenant = tenant
        self.agent = agent
        self.epoch = epoch
        self.identity = identity
        self.bundle = bundle
    }

    /// Takes a verified bundle if it is newer. The next batch gets a new key then, so that it is sealed to
    /// the new recipients.
    /// - Returns: whether it was newer.
    @discardableResult
    public mutating func update(_ newer: KeyBundle) -> Bool {
        guard newer.version > bundle.version, !newer.recipients.isEmpty else { return false }
        bundle = newer
        if let current, !current.flags.isEmpty { self.current = nil }
        return true
    }

    /// The key for the next batch, counting it. Makes a new one when the current one has served its time.
    /// - Returns: the key, and whether it is new: then its `payload` has to be stored and sent.
    /// - Throws: ``SealingError/invalidKey`` when the bundle names no usable recipient.
    public mutating func next(
        now: Timestamp, clock: ClockReading
    ) throws(SealingError) -> (current: Current, isNew: Bool) {
        if var serving = current, serving.batches < Self.keyBatchesMax, now < serving.destroyAfter,
            clock.monotonicNanoseconds &- serving.madeMonotonicNanoseconds < UInt64(Self.keyMillisecondsMax) * 1_000_000
        {
            serving.batches += 1
            current = serving
            return (serving, false)
        }
        var made = try make(now: now, clock: clock)
        made.batches = 1
        current = made
        return (made, true)
    }

    /// Seals a signed record for `up/result` to the recipient in use, or to the last one known.
    /// - Throws: ``SealingError/invalidKey`` when the bundle names no usable recipient.
    public func seal(_ record: [UInt8], now: Timestamp) throws(SealingError) -> [UInt8] {
        guard let recipient = recipients(at: now).recipients.last else { throw .invalidKey }
        return SealedResult(
            recipient: recipient.id, sealed: try SealedBox.seal(record, to: recipient.publicKey)
        ).encoded()
    }

    private func make(now: Timestamp, clock: ClockReading) throws(SealingError) -> Current {
        let (recipients, isStale) = recipients(at: now)
        guard let destroyAfter = recipients.map(\.destroyAfter).max() else { throw .invalidKey }
        let key = DataKey()
        let record = try key.record(for: recipients, at: now)
        let header = BatchHeader(
            kind: .key, lane: .live, flags: isStale ? .staleKey : [], agent: agent, epoch: epoch, sequence: 0,
            dataKeyID: key.id, firstTimestamp: now, lastTimestamp: now, recordCount: 1, clock: clock,
            nonce: [UInt8](repeating: 0, count: BatchHeader.nonceBytes))
        return Current(
            key: key, flags: header.flags, destroyAfter: destroyAfter,
            payload: KeyBatch.make(header: header, tenant: tenant, record: record, identity: identity),
            madeMonotonicNanoseconds: clock.monotonicNanoseconds)
    }

    private func recipients(at now: Timestamp) -> (recipients: [KeyBundle.Recipient], isStale: Bool) {
        let inUse = bundle.recipients.filter { $0.useFrom <= now && now < $0.useUntil }
        if !inUse.isEmpty { return (Array(inUse.suffix(Self.recipientsMax)), false) }
        // Before the first (a clock in the past): the first. After the last: the last. Both are flagged.
        guard let first = bundle.recipients.first, let last = bundle.recipients.last else { return ([], true) }
        return ([now < first.useFrom ? first : last], true)
    }
}

/// A `key` batch: header, then a signed ``KeyRecord`` instead of a sealed body. The signature covers the header.
public enum KeyBatch {
    public static func make(
        header: BatchHeader, tenant: TenantID, record: KeyRecord, identity: SigningKey
    ) -> [UInt8] {
        precondition(header.kind == .key && header.dataKeyID == record.id)
        var payload: [UInt8] = []
        header.encode(into: &payload)
        return payload
            + SignedRecord.sign(
                .keyRecord, tenant: tenant, agent: header.agent, associated: payload, record: record, with: identity)
    }

    public static func open(
        _ payload: [UInt8], header: BatchHeader, tenant: TenantID, identityKey: ID256
    ) throws(SealingError) -> KeyRecord {
        guard header.kind == .key else { throw .notAuthentic }
        let record = try SignedRecord.open(
            Array(payload.dropFirst(header.encodedBytes)), as: KeyRecord.self, .keyRecord, tenant: tenant,
            agent: header.agent, associated: Array(payload.prefix(header.encodedBytes)), keys: [identityKey])
        guard record.id == header.dataKeyID else { throw .notAuthentic }
        return record
    }
}
