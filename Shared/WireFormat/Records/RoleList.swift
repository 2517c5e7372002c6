public import Telemetry

/// Which keys may sign what; signed by the offline root, whose hash every agent pins. Versions only grow.
public struct RoleList: WireRecord, Hashable {
    public enum Role: UInt8, Sendable, CaseIterable {
        case certificate = 1, bundle = 2, manifest = 3, command = 4, acknowledgement = 5
    }
    /// More than one while a role's key is being replaced.
    public static let keysPerRoleMax = 4

    public var version: UInt64
    public var issuedAt: Timestamp
    /// The Ed25519 public key that signs this list; its BLAKE2b-256 is what agents pin.
    public var root: ID256
    /// The root that may sign later lists instead; zero if none.
    public var successorRoot: ID256
    /// By `Role.rawValue - 1`.
    public var keys: [[ID256]]

    public init(
        version: UInt64, issuedAt: Timestamp, root: ID256, successorRoot: ID256 = .zero, keys: [Role: [ID256]]
    ) {
        self.version = version
        self.issuedAt = issuedAt
        self.root = root
        self.successorRoot = successorRoot
        self.keys = Role.allCases.map { Array((keys[$0] ?? []).prefix(Self.keysPerRoleMax)) }
    }

    public subscript(role: Role) -> [ID256] { keys[Int(role.rawValue) - 1] }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(varint: version)
        writer.write(issuedAt)
        writer.write(root)
        writer.write(successorRoot)
        writer.write(UInt8(keys.count))
        for list in keys {
            writer.write(UInt8(list.count))
            for key in list { writer.write(key) }
        }
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        version = try reader.readVarint("version")
        issuedAt = try reader.readTimestamp("issued")
        root = try reader.readHash("root")
        successorRoot = try reader.readHash("successor root")
        // A later release may know more roles; their keys are passed over.
        let roles = Int(try reader.readByte("roles"))
        guard roles >= Role.allCases.count, roles <= 32 else { throw .invalid("roles") }
        keys = []
        for role in 0..<roles {
            let count = Int(try reader.readByte("keys of a role"))
            guard count <= Self.keysPerRoleMax else { throw .tooLarge("keys of a role") }
            var list: [ID256] = []
            for _ in 0..<count { list.append(try reader.readHash("role key")) }
            if role < Role.allCases.count { keys.append(list) }
        }
    }
}
