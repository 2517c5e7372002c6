import CSodium
public import Telemetry
import WireFormat

/// An Ed25519 private key; wiped when the last reference goes.
public struct SigningKey: Sendable {
    public static let seedBytes = 32
    public let publicKey: VerifyingKey
    private let secret: SecretBytes  // 64 bytes: seed, public key

    public init() {
        Sodium.ready()
        var seed = RandomBytes.make(Self.seedBytes)
        defer { seed.wipe() }
        self.init(unchecked: seed)
    }

    /// - Throws: ``SealingError/invalidKey`` unless there are 32 bytes.
    public init(seed: [UInt8]) throws(SealingError) {
        guard seed.count == Self.seedBytes else { throw .invalidKey }
        self.init(unchecked: seed)
    }

    private init(unchecked seed: [UInt8]) {
        var publicBytes = [UInt8](repeating: 0, count: 32)
        secret = SecretBytes(count: 64) { _ in }
        crypto_sign_seed_keypair(&publicBytes, secret.mutablePointer, seed)
        publicKey = VerifyingKey(ID256(bytes: publicBytes) ?? .zero)
    }

    /// For storage in a sealed or 0600 file.
    public var seed: [UInt8] { Array(secret.buffer.prefix(Self.seedBytes)) }

    /// - Returns: 64 bytes.
    public func signature(over message: [UInt8]) -> [UInt8] {
        var signature = [UInt8](repeating: 0, count: SignedEnvelope.signatureBytes)
        withExtendedLifetime(secret) {
            _ = crypto_sign_detached(&signature, nil, message, UInt64(message.count), secret.pointer)
        }
        return signature
    }
}

/// An Ed25519 public key.
public struct VerifyingKey: Hashable, Sendable {
    public let id: ID256
    public init(_ id: ID256) { self.id = id }

    public func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
        Sodium.ready()
        guard signature.count == SignedEnvelope.signatureBytes else { return false }
        return crypto_sign_verify_detached(signature, message, UInt64(message.count), id.bytes) == 0
    }
}
