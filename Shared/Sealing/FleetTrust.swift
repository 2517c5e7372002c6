public import Telemetry
public import WireFormat

/// What an agent believes about its fleet, from the pinned root's hash down: the highest role list and bundle
/// that it has seen. Versions only grow; anything lower or not authentic changes nothing.
///
/// Owned by one thread. To be kept in a ``SealedFile`` with `encoded()` after each change.
public struct FleetTrust: Sendable {
    /// BLAKE2b-256 of the root's public key.
    public private(set) var rootHash: ID256
    public private(set) var roleList: RoleList?
    public private(set) var bundle: KeyBundle?
    /// 0 before the first bundle.
    public var bundleVersion: UInt64 { bundle?.version ?? 0 }
    private var roleListBytes: [UInt8] = []
    private var bundleBytes: [UInt8] = []

    public init(rootHash: ID256) { self.rootHash = rootHash }

    /// Takes a root-signed role list; one signed by the announced successor makes that the root from now on.
    /// - Returns: whether it was newer than what was known.
    /// - Throws: ``SealingError`` when it is not authentic or not a role list.
    @discardableResult
    public mutating func accept(roleList bytes: [UInt8]) throws(SealingError) -> Bool {
        let list: RoleList
        var root = rootHash
        do throws(SealingError) {
            list = try RoleList.verified(bytes, rootHash: rootHash)
        } catch {
            guard let successor = roleList?.successorRoot, successor != .zero else { throw error }
            root = Hash.blake2b256(successor.bytes)
            list = try RoleList.verified(bytes, rootHash: root)
        }
        guard list.version > (roleList?.version ?? 0) else { return false }
        rootHash = root
        roleList = list
        roleListBytes = bytes
        return true
    }

    /// Takes a bundle, and the role list that it carries along if that is newer.
    /// - Returns: whether the bundle was newer than what was known.
    /// - Throws: ``SealingError`` when it is not authentic or not a bundle.
    @discardableResult
    public mutating func accept(bundle bytes: [UInt8]) throws(SealingError) -> Bool {
        var changed = self
        do {
            // Not verified yet: only to find the role list that says whose signature to expect.
            let carried = try KeyBundle(decoding: SignedEnvelope(decoding: bytes).body).roleList
            if !carried.isEmpty { _ = try? changed.accept(roleList: carried) }  // an older one changes nothing
        } catch {
            throw .malformed(error)
        }
        let bundle = try SignedRecord.open(
            bytes, as: KeyBundle.self, .keyBundle, keys: changed.roleList?[.bundle] ?? [])
        guard bundle.version > (changed.bundle?.version ?? 0) else { return false }
        changed.bundle = bundle
        changed.bundleBytes = bytes
        self = changed
        return true
    }

    /// - Throws: ``SealingError/notAuthentic`` also when it is revoked by the bundle or not valid at `time`.
    public func certificate(
        _ bytes: [UInt8], tenant: TenantID, agent: AgentID, at time: Timestamp
    ) throws(SealingError) -> Certificate {
        let certificate = try SignedRecord.open(
            bytes, as: Certificate.self, .certificate, tenant: tenant, agent: agent, keys: roleList?[.certificate] ?? []
        )
        guard certificate.tenant == tenant, certificate.agent == agent, certificate.isValid(at: time),
            bundle?.revoked.contains(certificate.serial) != true
        else { throw .notAuthentic }
        return certificate
    }

    public func acknowledgement(
        _ bytes: [UInt8], tenant: TenantID, agent: AgentID
    ) throws(SealingError) -> Acknowledgement {
        try SignedRecord.open(
            bytes, as: Acknowledgement.self, .acknowledgement, tenant: tenant, agent: agent,
            keys: roleList?[.acknowledgement] ?? [])
    }

    /// - Parameter agent: nil for a group's manifest.
    public func manifest(_ bytes: [UInt8], tenant: TenantID, agent: AgentID?) throws(SealingError) -> Manifest {
        let manifest = try SignedRecord.open(
            bytes, as: Manifest.self, .manifest, tenant: tenant, agent: agent, keys: roleList?[.manifest] ?? [])
        if let agent, manifest.scope != .agent(agent) { throw .notAuthentic }
        if agent == nil, case .agent = manifest.scope { throw .notAuthentic }
        return manifest
    }

    public func command(_ bytes: [UInt8], tenant: TenantID, agent: AgentID) throws(SealingError) -> Command {
        try SignedRecord.open(
            bytes, as: Command.self, .command, tenant: tenant, agent: agent, keys: roleList?[.command] ?? [])
    }

    // MARK: - Keeping it

    /// Version byte, root hash, prefixed role list, prefixed bundle.
    public func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 64 + roleListBytes.count + bundleBytes.count)
        writer.write(1 as UInt8)
        writer.write(rootHash)
        writer.write(prefixed: roleListBytes)
        writer.write(prefixed: bundleBytes)
        return writer.bytes
    }

    /// Verifies everything again.
    public init(decoding bytes: [UInt8]) throws(SealingError) {
        let fields: (root: ID256, roleList: [UInt8], bundle: [UInt8])
        do throws(WireError) {
            fields = try ByteReader.reading(bytes) { (reader) throws(WireError) in
                let version = try reader.readByte("version")
                guard version == 1 else { throw .unsupportedVersion(version) }
                let root = try reader.readHash("root hash")
                let list = try reader.readArray("role list", max: WireLimits.batchBytesMax)
                return (root, list, try reader.readArray("bundle", max: WireLimits.batchBytesMax))
            }
        } catch {
            throw .malformed(error)
        }
        self.init(rootHash: fields.root)
        if !fields.roleList.isEmpty { try accept(roleList: fields.roleList) }
        // A bundle whose key has lost its role since counts for nothing; the next one is on the retained topic.
        if !fields.bundle.isEmpty { _ = try? accept(bundle: fields.bundle) }
    }
}
