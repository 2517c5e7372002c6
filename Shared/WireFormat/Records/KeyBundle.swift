public import Telemetry

/// The public keys that data keys are sealed to, one a day, and what else the whole fleet must know.
/// Signed with the bundle key; retained on `stagebox/1/_fleet/keys`.
public struct KeyBundle: WireRecord, Hashable {
    public struct Recipient: Hashable, Sendable {
        /// X25519.
        public var publicKey: ID256
        public var useFrom: Timestamp
        public var useUntil: Timestamp
        /// The private half is destroyed then; nothing sealed to it opens afterwards.
        public var destroyAfter: Timestamp
        public init(publicKey: ID256, useFrom: Timestamp, useUntil: Timestamp, destroyAfter: Timestamp) {
            self.publicKey = publicKey
            self.useFrom = useFrom
            self.useUntil = useUntil
            self.destroyAfter = destroyAfter
        }
        /// What a key record names a recipient by: the first half of its public key.
        public var id: ID128 { publicKey.high }
    }
    public static let recipientsMax = 256
    public static let revokedMax = 1024

    public var version: UInt64
    public var issuedAt: Timestamp
    public var expiresAt: Timestamp
    /// Ascending by `useFrom`.
    public var recipients: [Recipient]
    /// Serials of revoked certificates.
    public var revoked: [ID128]
    /// The current role list, a signed record of the root.
    public var roleList: [UInt8]

    public init(
        version: UInt64, issuedAt: Timestamp, expiresAt: Timestamp, recipients: [Recipient], revoked: [ID128] = [],
        roleList: [UInt8]
    ) {
        self.version = version
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.recipients = recipients
        self.revoked = revoked
        self.roleList = roleList
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(varint: version)
        writer.write(issuedAt)
        writer.write(expiresAt)
        writer.write(varint: UInt64(recipients.count))
        for recipient in recipients {
            writer.write(recipient.publicKey)
            writer.write(recipient.useFrom)
            writer.write(recipient.useUntil)
            writer.write(recipient.destroyAfter)
        }
        writer.write(varint: UInt64(revoked.count))
        for serial in revoked { writer.write(serial) }
        writer.write(prefixed: roleList)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        version = try reader.readVarint("version")
        issuedAt = try reader.readTimestamp("issued")
        expiresAt = try reader.readTimestamp("expiry")
        recipients = []
        for _ in 0..<(try reader.readCount("recipients", max: Self.recipientsMax)) {
            let key = try reader.readHash("recipient")
            let from = try reader.readTimestamp("use-from")
            let until = try reader.readTimestamp("use-until")
            let destroy = try reader.readTimestamp("destroy-after")
            guard from <= until, until <= destroy else { throw .invalid("recipient times") }
            if let last = recipients.last, last.useFrom > from { throw .invalid("recipient order") }
            recipients.append(Recipient(publicKey: key, useFrom: from, useUntil: until, destroyAfter: destroy))
        }
        revoked = []
        for _ in 0..<(try reader.readCount("revoked", max: Self.revokedMax)) {
            revoked.append(try reader.readIdentifier("revoked serial"))
        }
        roleList = try reader.readArray("role list", max: 4096)
    }
}
