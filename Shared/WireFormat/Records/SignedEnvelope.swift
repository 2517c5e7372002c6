/// What a signed record is about. The kind chooses the context string that the signature covers, so a
/// signature over one kind never passes for another. Raw values are wire numbers: never reuse one.
public enum RecordKind: UInt8, Sendable, CaseIterable {
    case roleList = 1, keyBundle = 2, certificate = 3, manifest = 4, command = 5, acknowledgement = 6
    case birth = 7, keyRecord = 8, result = 9, enrolmentRequest = 10, commandResult = 11
    public var context: String {
        switch self {
        case .roleList: "stagebox/1 role-list"
        case .keyBundle: "stagebox/1 key-bundle"
        case .certificate: "stagebox/1 certificate"
        case .manifest: "stagebox/1 manifest"
        case .command: "stagebox/1 command"
        case .acknowledgement: "stagebox/1 acknowledgement"
        case .birth: "stagebox/1 birth"
        case .keyRecord: "stagebox/1 key-record"
        case .result: "stagebox/1 result"
        case .enrolmentRequest: "stagebox/1 enrolment-request"
        case .commandResult: "stagebox/1 command-result"
        }
    }
}

/// A record and its detached Ed25519 signature, not yet verified.
///
/// Layout: magic "SBXR", version (1), kind (1), body length (u32 LE), body, signature (64).
public struct SignedEnvelope: Hashable, Sendable {
    public static let magic: [UInt8] = Array("SBXR".utf8)
    public static let formatVersion: UInt8 = 1
    public static let signatureBytes = 64
    /// Bytes around the body.
    public static let overheadBytes = 10 + signatureBytes

    public var kind: RecordKind
    public var body: [UInt8]
    public var signature: [UInt8]

    public init(kind: RecordKind, body: [UInt8], signature: [UInt8]) {
        self.kind = kind
        self.body = body
        self.signature = signature
    }

    /// - Precondition: the signature has 64 bytes.
    public func encoded() -> [UInt8] {
        precondition(signature.count == Self.signatureBytes, "signature of \(signature.count) bytes")
        var writer = ByteWriter(reserving: body.count + Self.overheadBytes)
        writer.write(Self.magic)
        writer.write(Self.formatVersion)
        writer.write(kind.rawValue)
        writer.write(littleEndian: UInt32(body.count))
        writer.write(body)
        writer.write(signature)
        return writer.bytes
    }

    public init(decoding bytes: [UInt8]) throws(WireError) {
        self = try ByteReader.reading(bytes) { (reader) throws(WireError) in
            guard try reader.readBytes(4, "magic").elementsEqual(Self.magic) else { throw .invalid("magic") }
            let version = try reader.readByte("version")
            guard version == Self.formatVersion else { throw .unsupportedVersion(version) }
            let kind = try reader.readCase(RecordKind.self, "record kind")
            let count = try reader.read(littleEndian: UInt32.self, "body length")
            guard count <= WireLimits.recordBytesMax else { throw .tooLarge("body") }
            let body = [UInt8](try reader.readBytes(Int(count), "body"))
            let signature = [UInt8](try reader.readBytes(Self.signatureBytes, "signature"))
            try reader.finish()
            return SignedEnvelope(kind: kind, body: body, signature: signature)
        }
    }
}
