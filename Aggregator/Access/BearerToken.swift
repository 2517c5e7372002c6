import Sealing
package import Telemetry
import WireFormat

/// A bearer token as its owner holds it: `sbx_<id>_<secret>`, 16 hexadecimal digits and 32 Base64URL characters
/// (192 random bits). Only the secret's BLAKE2b-256 is stored; it is random, so it needs no slow hash.
package struct BearerToken: Sendable {
    package static let prefix = "sbx_"
    package static let idBytes = 8
    package static let secretBytes = 24
    /// Longest text that is looked at.
    package static let textBytesMax = 128

    package let id: String
    package let secret: [UInt8]

    package init() {
        id = Hexadecimal.encode(RandomBytes.make(Self.idBytes))
        secret = RandomBytes.make(Self.secretBytes)
    }

    /// - Returns: nil for anything that is not written exactly like a token.
    package init?(text: String) {
        guard text.utf8.count <= Self.textBytesMax, text.hasPrefix(Self.prefix) else { return nil }
        let rest = text.dropFirst(Self.prefix.count)
        guard let separator = rest.firstIndex(of: "_") else { return nil }
        let id = String(rest[..<separator])
        guard id.utf8.count == 2 * Self.idBytes, Hexadecimal.decode(id) != nil,
            let secret = Base64URL.decode(rest[rest.index(after: separator)...]), secret.count == Self.secretBytes
        else { return nil }
        self.id = id
        self.secret = secret
    }

    /// What to hand out once. Never log it.
    package var text: String { "\(Self.prefix)\(id)_\(Base64URL.encode(secret))" }
    package var hash: [UInt8] { Hash.blake2b256(secret).bytes }
}

/// A token as the store keeps it.
package struct TokenRecord: Hashable, Sendable {
    package var id: String
    package var role: Role
    package var tenant: TenantID?
    package var name: String
    package var createdAt: Timestamp
    package var expiresAt: Timestamp?
    package var revokedAt: Timestamp?
    /// To the minute.
    package var lastUsedAt: Timestamp?
}
