public import Telemetry

/// What a person pastes to enrol an agent: `sbx1-` and Base64URL of the fields and a CRC-32 of them.
///
/// The agent checks the TLS key's hash and the root's hash before it sends the secret.
public struct EnrolmentToken: WireRecord, Hashable {
    public static let prefix = "sbx1-"
    public static let secretBytesMin = 16
    public static let secretBytesMax = 32
    public static let hostBytesMax = 255
    public static let pseudonymSecretBytes = 32
    public static let textBytesMax = 1024

    /// Looks the token up; not secret.
    public var id: ID128
    /// At least 128 random bits. Never log it.
    public var secret: [UInt8]
    /// BLAKE2b-256 of the root's public key.
    public var rootHash: ID256
    /// SHA-256 of the enrolment server's SubjectPublicKeyInfo; nil when the URL is on loopback without TLS.
    public var tlsKeyHash: ID256?
    /// Where the broker is likely to be; the enrolment response decides. Empty: not told.
    public var brokerHost: String
    public var brokerPort: UInt16
    /// The X25519 secret that opens the tenant's pseudonym key in the response; nil when the token brings no such key.
    /// The administrator's tool adds it and the agent never sends it, so that the aggregator cannot open that key.
    public var pseudonymSecret: [UInt8]?

    public init(
        id: ID128, secret: [UInt8], rootHash: ID256, tlsKeyHash: ID256? = nil, brokerHost: String = "",
        brokerPort: UInt16 = 0, pseudonymSecret: [UInt8]? = nil
    ) {
        self.pseudonymSecret = pseudonymSecret
        self.id = id
        self.secret = secret
        self.rootHash = rootHash
        self.tlsKeyHash = tlsKeyHash
        self.brokerHost = brokerHost
        self.brokerPort = brokerPort
    }

    public var text: String {
        var writer = ByteWriter()
        writer.write(encoded())
        writer.write(littleEndian: Checksum.crc32(writer.bytes))
        return Self.prefix + Base64URL.encode(writer.bytes)
    }

    /// Surrounding white space is fine; anything else must be exact.
    public init(text: String) throws(WireError) {
        guard text.utf8.count <= Self.textBytesMax else { throw .tooLarge("enrolment token") }
        let blanks = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r")]
        var bytes = Substring(text).utf8.drop { blanks.contains($0) }
        while let last = bytes.last, blanks.contains(last) { bytes = bytes.dropLast() }
        let trimmed = Substring(bytes)
        guard trimmed.hasPrefix(Self.prefix), let decoded = Base64URL.decode(trimmed.dropFirst(Self.prefix.count))
        else { throw .invalid("enrolment token") }
        guard decoded.count > 4 else { throw .truncated("enrolment token") }
        let fields = Array(decoded.dropLast(4))
        let check = decoded.suffix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard check == Checksum.crc32(fields) else { throw .invalid("enrolment token's checksum (mistyped or cut?)") }
        try self.init(decoding: fields)
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(prefixed: secret)
        writer.write(rootHash)
        writer.write(tlsKeyHash != nil)
        if let tlsKeyHash { writer.write(tlsKeyHash) }
        writer.write(text: brokerHost)
        writer.write(littleEndian: brokerPort)
        writer.write(prefixed: pseudonymSecret ?? [])
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        id = try reader.readIdentifier("token id")
        secret = try reader.readArray("secret", max: Self.secretBytesMax)
        guard secret.count >= Self.secretBytesMin else { throw .invalid("secret") }
        rootHash = try reader.readHash("root hash")
        tlsKeyHash = try reader.readBool("TLS key hash") ? try reader.readHash("TLS key hash") : nil
        brokerHost = try reader.readText("broker host", max: Self.hostBytesMax)
        brokerPort = try reader.read(littleEndian: UInt16.self, "broker port")
        let bytes = try reader.readArray("pseudonym secret", max: Self.pseudonymSecretBytes)
        guard bytes.isEmpty || bytes.count == Self.pseudonymSecretBytes else { throw .invalid("pseudonym secret") }
        pseudonymSecret = bytes.isEmpty ? nil : bytes
    }
}

/// CRC-32 (ISO 3309, reflected 0xEDB88320): catches typing errors, not attacks.
public enum Checksum {
    /// - Complexity: O(8 × bytes); for short texts.
    public static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
        }
        return ~crc
    }
}
