import CSodium
import Glibc
import Telemetry
import WireFormat

/// A file of local state, sealed under a machine key: identity, high-water marks, models.
///
/// Layout: magic "SBXF", version (1), nonce (24), ciphertext and tag; the associated data is the file's
/// purpose, so that one file cannot stand in for another. Whoever has both the file and the machine key
/// can read it: see SECURITY.md.
public struct SealedFile: Sendable {
    public static let bytesMax = 64 * 1024 * 1024
    private static let magic = Array("SBXF".utf8) + [1]
    private static let nonceBytes = 24
    private static let tagBytes = 16

    public let path: String
    /// A constant of the code, such as `"identity"`.
    public let purpose: String
    private let key: MachineKey

    public init(path: String, purpose: String, key: MachineKey) {
        self.path = path
        self.purpose = purpose
        self.key = key
    }

    /// - Returns: nil when the file does not exist.
    /// - Throws: ``SealingError`` when it cannot be read or was not sealed with this key for this purpose.
    public func read() throws(SealingError) -> [UInt8]? {
        guard let stored = try FileBytes.read(path, bytesMax: Self.bytesMax) else { return nil }
        let start = Self.magic.count + Self.nonceBytes
        guard stored.count >= start + Self.tagBytes, stored.starts(with: Self.magic) else {
            throw .malformed(.invalid("magic"))
        }
        let nonce = Array(stored[Self.magic.count..<start])
        let sealed = Array(stored[start...])
        let associated = Array(purpose.utf8)
        var plain = [UInt8](repeating: 0, count: sealed.count - Self.tagBytes)
        let status = withExtendedLifetime(key.secret) {
            crypto_aead_xchacha20poly1305_ietf_decrypt(
                &plain, nil, nil, sealed, UInt64(sealed.count), associated, UInt64(associated.count), nonce,
                key.secret.pointer)
        }
        guard status == 0 else { throw .notAuthentic }
        return plain
    }

    /// Replaces the file: after a crash at any point there is the old content or the new, whole.
    public func write(_ plain: [UInt8]) throws(SealingError) {
        precondition(plain.count < Self.bytesMax - 64, "sealed file of \(plain.count) bytes")
        let nonce = RandomBytes.nonce()
        let associated = Array(purpose.utf8)
        var sealed = [UInt8](repeating: 0, count: plain.count + Self.tagBytes)
        withExtendedLifetime(key.secret) {
            _ = crypto_aead_xchacha20poly1305_ietf_encrypt(
                &sealed, nil, plain, UInt64(plain.count), associated, UInt64(associated.count), nil, nonce,
                key.secret.pointer)
        }
        try FileBytes.replace(path, with: Self.magic + nonce + sealed)
    }
}

/// The key that a machine's local state is sealed under.
public struct MachineKey: Sendable {
    /// As the service's unit names it.
    public static let credentialName = "machine.key"
    let secret: SecretBytes

    /// Derived from any 16 or more bytes of secret (a systemd credential, a key file).
    /// - Throws: ``SealingError/invalidKey`` when they are fewer.
    public init(secretBytes: [UInt8]) throws(SealingError) {
        guard secretBytes.count >= 16 else { throw .invalidKey }
        secret = SecretBytes(copying: Hash.blake2b256(Array("stagebox/1 machine".utf8) + secretBytes).bytes)
    }

    /// The systemd credential `$CREDENTIALS_DIRECTORY/machine.key` when there is one, else the 0600 file at
    /// `path`, which is made (32 random bytes) when it does not exist.
    /// - Parameter credentialsDirectory: the value of `CREDENTIALS_DIRECTORY`; nil or empty when unset.
    public static func load(credentialsDirectory: String?, path: String) throws(SealingError) -> MachineKey {
        if let directory = credentialsDirectory, !directory.isEmpty,
            let bytes = try FileBytes.read("\(directory)/\(credentialName)", bytesMax: 4096)
        {
            return try MachineKey(secretBytes: bytes)
        }
        return try MachineKey(secretBytes: SecretFile.loadOrMake(path, make: { RandomBytes.make(32) }))
    }
}

/// Secrets in files that only their owner may read.
public enum SecretFile {
    /// - Returns: nil when the file does not exist.
    /// - Throws: ``SealingError/unsafeKeyFile(path:_:)`` when group or others may read or write it.
    public static func read(_ path: String, bytesMax: Int = 4096) throws(SealingError) -> [UInt8]? {
        try FileBytes.read(path, bytesMax: bytesMax, isSecret: true)
    }
    /// Replaces the file, mode 0600, durably.
    public static func write(_ bytes: [UInt8], to path: String) throws(SealingError) {
        try FileBytes.replace(path, with: bytes)
    }
    public static func loadOrMake(_ path: String, make: () -> [UInt8]) throws(SealingError) -> [UInt8] {
        if let bytes = try read(path) { return bytes }
        let bytes = make()
        try write(bytes, to: path)
        return bytes
    }
    /// Renames a file that does not read to `<path>.damaged`, over an earlier one.
    /// - Returns: the new path.
    public static func setAside(_ path: String) throws(SealingError) -> String {
        let aside = "\(path).damaged"
        guard rename(path, aside) == 0 else { throw .system("rename", path: path, code: errno) }
        return aside
    }
    /// Overwrites and removes the file. (Overwriting reaches the medium's old blocks only on some file systems.)
    public static func destroy(_ path: String) throws(SealingError) { try FileBytes.destroy(path) }
}
