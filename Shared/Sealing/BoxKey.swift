import CSodium
public import Telemetry

/// An X25519 key pair that sealed boxes are opened with; wiped when the last reference goes.
public struct BoxKeyPair: Sendable {
    public static let secretBytesCount = 32
    public let publicKey: ID256
    private let secret: SecretBytes

    public init() {
        var bytes = RandomBytes.make(Self.secretBytesCount)
        defer { bytes.wipe() }
        self.init(unchecked: bytes)
    }

    /// - Throws: ``SealingError/invalidKey`` unless there are 32 bytes.
    public init(secretBytes: [UInt8]) throws(SealingError) {
        guard secretBytes.count == Self.secretBytesCount else { throw .invalidKey }
        self.init(unchecked: secretBytes)
    }

    private init(unchecked bytes: [UInt8]) {
        let secret = SecretBytes(copying: bytes)
        self.secret = secret
        var publicBytes = [UInt8](repeating: 0, count: 32)
        crypto_scalarmult_base(&publicBytes, secret.pointer)
        publicKey = ID256(bytes: publicBytes) ?? .zero
    }

    /// For storage in a sealed or 0600 file.
    public var secretBytes: [UInt8] { secret.copy() }

    /// Opens what ``SealedBox/seal(_:to:)`` made for this key. It does not say who made it.
    public func open(_ sealed: [UInt8]) throws(SealingError) -> [UInt8] {
        guard sealed.count >= SealedBox.overheadBytes else { throw .notAuthentic }
        var plain = [UInt8](repeating: 0, count: sealed.count - SealedBox.overheadBytes)
        let status = withExtendedLifetime(secret) {
            crypto_box_seal_open(&plain, sealed, UInt64(sealed.count), publicKey.bytes, secret.pointer)
        }
        guard status == 0 else { throw .notAuthentic }
        return plain
    }
}

/// Anonymous public-key encryption (`crypto_box_seal`).
public enum SealedBox {
    public static let overheadBytes = 48

    /// - Throws: ``SealingError/invalidKey`` for a public key that the curve refuses.
    public static func seal(_ plain: [UInt8], to publicKey: ID256) throws(SealingError) -> [UInt8] {
        Sodium.ready()
        var sealed = [UInt8](repeating: 0, count: plain.count + overheadBytes)
        guard crypto_box_seal(&sealed, plain, UInt64(plain.count), publicKey.bytes) == 0 else { throw .invalidKey }
        return sealed
    }
}
