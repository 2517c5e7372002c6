import CSodium
public import Telemetry

/// BLAKE2b.
public enum Hash {
    public static func blake2b256(_ bytes: [UInt8]) -> ID256 { blake2b256(bytes[...]) }

    public static func blake2b256(_ bytes: ArraySlice<UInt8>) -> ID256 {
        let digest = bytes.withUnsafeBytes { hash($0, size: 32, key: nil) }
        return ID256(high: word(digest, at: 0), low: word(digest, at: 16))
    }

    public static func blake2b256(_ bytes: UnsafeRawBufferPointer) -> ID256 {
        let digest = hash(bytes, size: 32, key: nil)
        return ID256(high: word(digest, at: 0), low: word(digest, at: 16))
    }

    public static func blake2b128(_ bytes: [UInt8]) -> ID128 {
        word(bytes.withUnsafeBytes { hash($0, size: 16, key: nil) }, at: 0)
    }

    static func blake2b128(_ bytes: UnsafeRawBufferPointer, key: SecretBytes? = nil) -> ID128 {
        word(hash(bytes, size: 16, key: key), at: 0)
    }

    private static func hash(_ bytes: UnsafeRawBufferPointer, size: Int, key: SecretBytes?) -> [UInt8] {
        Sodium.ready()
        return [UInt8](unsafeUninitializedCapacity: size) { digest, initialized in
            guard let output = digest.baseAddress else { return }
            let input = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            let status = withExtendedLifetime(key) {
                crypto_generichash(
                    output, size, input, UInt64(bytes.count), key?.pointer, key?.buffer.count ?? 0)
            }
            precondition(status == 0, "crypto_generichash refuses \(bytes.count) bytes")
            initialized = size
        }
    }

    private static func word(_ digest: [UInt8], at offset: Int) -> ID128 {
        func big(_ from: Int) -> UInt64 { digest[from..<from + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        return ID128(high: big(offset), low: big(offset + 8))
    }
}

/// A tenant's key for pseudonyms: the same identifier always gives the same pseudonym, and without the
/// key it cannot be tried out. The aggregator never holds it.
public struct PseudonymKey: Sendable {
    public static let bytes = 32
    /// Travels with each event, so that a rotation is visible.
    public let version: UInt32
    private let secret: SecretBytes

    /// - Throws: ``SealingError/invalidKey`` unless there are 32 bytes.
    public init(bytes: [UInt8], version: UInt32) throws(SealingError) {
        guard bytes.count == Self.bytes else { throw .invalidKey }
        secret = SecretBytes(copying: bytes)
        self.version = version
    }
    public init(randomVersion version: UInt32) {
        secret = SecretBytes(copying: RandomBytes.make(Self.bytes))
        self.version = version
    }
    public var secretBytes: [UInt8] { secret.copy() }

    /// Tells two keys apart without saying anything of either.
    public var fingerprint: ID128 {
        let version = withUnsafeBytes(of: version.littleEndian) { Array($0) }
        return Hash.blake2b128(Array("stagebox/1 pseudonym key".utf8) + version + secret.copy())
    }

    public func pseudonym(of identifier: String) -> UserPseudonym {
        var text = identifier
        return text.withUTF8 { Hash.blake2b128(UnsafeRawBufferPointer($0), key: secret) }
    }
}
