public import Telemetry

/// A data key, sealed to each recipient; the body of a `key` batch, signed by the agent's identity.
/// (A sealed box alone says nothing of its sender.)
public struct KeyRecord: WireRecord, Hashable {
    public struct Box: Hashable, Sendable {
        /// ``KeyBundle/Recipient/id``.
        public var recipient: ID128
        /// `crypto_box_seal` of the 32 key bytes.
        public var sealed: [UInt8]
        public init(recipient: ID128, sealed: [UInt8]) {
            self.recipient = recipient
            self.sealed = sealed
        }
    }
    public static let boxesMax = 8
    /// 32 bytes of key, 48 of sealed box.
    public static let boxBytes = 80

    /// BLAKE2b-128 of the key, checked after opening.
    public var id: DataKeyID
    public var createdAt: Timestamp
    public var boxes: [Box]

    public init(id: DataKeyID, createdAt: Timestamp, boxes: [Box]) {
        self.id = id
        self.createdAt = createdAt
        self.boxes = boxes
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(createdAt)
        writer.write(varint: UInt64(boxes.count))
        for box in boxes {
            writer.write(box.recipient)
            writer.write(prefixed: box.sealed)
        }
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        id = try reader.readIdentifier("data-key id")
        createdAt = try reader.readTimestamp("created")
        boxes = []
        for _ in 0..<(try reader.readCount("boxes", max: Self.boxesMax)) {
            let recipient = try reader.readIdentifier("recipient")
            let sealed = try reader.readArray("box", max: Self.boxBytes)
            guard sealed.count == Self.boxBytes else { throw .invalid("box") }
            boxes.append(Box(recipient: recipient, sealed: sealed))
        }
        guard !boxes.isEmpty else { throw .invalid("boxes") }
    }
}
