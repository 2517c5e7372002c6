public import Telemetry
import WireFormat

/// How a pseudonym key reaches an agent that is enrolled: the argument of a command, which a signature covers, sealed by
/// the administrator's tool to the agent's X25519 key, so that the aggregator passes it on unread.
///
/// Base64URL of `crypto_box_seal` of u32 version (little-endian) and the 32 bytes of the key.
public enum PseudonymKeyOrder {
    public static let verb = "pseudonym-key"

    /// - Throws: ``SealingError/invalidKey`` for a public key that the curve refuses.
    public static func seal(_ key: PseudonymKey, to agent: ID256) throws(SealingError) -> String {
        let version = withUnsafeBytes(of: key.version.littleEndian) { Array($0) }
        return Base64URL.encode(try SealedBox.seal(version + key.secretBytes, to: agent))
    }

    /// - Throws: ``SealingError`` when it is nothing of the kind or not for this agent.
    public static func open(_ text: String, with pair: BoxKeyPair) throws(SealingError) -> PseudonymKey {
        guard let sealed = Base64URL.decode(text) else { throw .notAuthentic }
        let plain = try pair.open(sealed)
        guard plain.count == 4 + PseudonymKey.bytes else { throw .invalidKey }
        let version = plain.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard version > 0 else { throw .invalidKey }
        return try PseudonymKey(bytes: Array(plain.dropFirst(4)), version: version)
    }
}
