public import Telemetry
public import WireFormat

/// A symmetric key for batches: random, named by its own hash, wiped when the last reference goes.
public struct DataKey: Sendable {
    public static let bytes = 32
    /// BLAKE2b-128 of the key.
    public let id: DataKeyID
    let secret: SecretBytes

    public init() {
        var bytes = RandomBytes.make(Self.bytes)
        defer { bytes.wipe() }
        self.init(unchecked: bytes)
    }

    /// - Throws: ``SealingError/invalidKey`` unless there are 32 bytes.
    public init(secretBytes: [UInt8]) throws(SealingError) {
        guard secretBytes.count == Self.bytes else { throw .invalidKey }
        self.init(unchecked: secretBytes)
    }

    private init(unchecked bytes: [UInt8]) {
        let secret = SecretBytes(copying: bytes)
        self.secret = secret
        id = Hash.blake2b128(UnsafeRawBufferPointer(secret.buffer))
    }

    /// Seals the key to each recipient that takes part now.
    /// - Throws: ``SealingError/invalidKey`` for a recipient key that the curve refuses.
    public func record(for recipients: [KeyBundle.Recipient], at time: Timestamp) throws(SealingError) -> KeyRecord {
        var plain = secret.copy()
        defer { plain.wipe() }
        var boxes: [KeyRecord.Box] = []
        for recipient in recipients.prefix(KeyRecord.boxesMax) {
            boxes.append(
                KeyRecord.Box(recipient: recipient.id, sealed: try SealedBox.seal(plain, to: recipient.publicKey)))
        }
        return KeyRecord(id: id, createdAt: time, boxes: boxes)
    }
}

extension KeyRecord {
    /// Opens the box that is for `pair`, and checks that the key is the one that the record names.
    /// - Returns: nil when no box is for this recipient.
    public func open(with pair: BoxKeyPair) throws(SealingError) -> DataKey? {
        guard let box = boxes.first(where: { $0.recipient == pair.publicKey.high }) else { return nil }
        var plain = try pair.open(box.sealed)
        defer { plain.wipe() }
        let key = try DataKey(secretBytes: plain)
        guard key.id == id else { throw .notAuthentic }
        return key
    }
}
