package import Sealing
package import Telemetry
package import WireFormat

/// What the agent checks signatures with: the role keys that its pinned root signed, and the key bundle.
/// Versions only grow.
package struct AgentTrust: Sendable {
    package let tenant: TenantID
    package let agent: AgentID
    package let rootHash: ID256
    package private(set) var roles: RoleList
    package private(set) var bundle: KeyBundle

    package init(_ identity: AgentIdentity) throws(SealingError) {
        tenant = identity.tenant
        agent = identity.agent
        rootHash = identity.rootHash
        roles = try RoleList.verified(identity.roleList, rootHash: identity.rootHash)
        bundle = try SignedRecord.open(identity.keyBundle, as: KeyBundle.self, .keyBundle, keys: roles[.bundle])
    }

    package func acknowledgement(_ payload: [UInt8]) throws(SealingError) -> Acknowledgement {
        let body = try SignedRecord.verify(
            payload, .acknowledgement, tenant: tenant, agent: agent, keys: roles[.acknowledgement])
        do { return try Acknowledgement(decoding: body) } catch { throw .malformed(error) }
    }

    /// A manifest for this agent, as published: sealed to its own box key around the signed record.
    /// - Returns: the manifest and the hash of its signed record.
    package func manifest(_ payload: [UInt8], box: BoxKeyPair) throws(SealingError) -> (Manifest, ID256) {
        let record = try box.open(payload)
        let manifest = try SignedRecord.open(
            record, as: Manifest.self, .manifest, tenant: tenant, agent: agent, keys: roles[.manifest])
        guard manifest.scope == .agent(agent) else { throw .notAuthentic }
        return (manifest, Hash.blake2b256(record))
    }

    /// Takes a published bundle, with the role list that it carries, if both are authentic and newer.
    /// - Returns: whether it replaced the one held.
    package mutating func adopt(bundle payload: [UInt8]) throws(SealingError) -> Bool {
        let unverified: KeyBundle
        do { unverified = try KeyBundle(decoding: SignedEnvelope(decoding: payload).body) } catch {
            throw .malformed(error)
        }
        var newRoles = roles
        if !unverified.roleList.isEmpty {
            let carried = try RoleList.verified(unverified.roleList, rootHash: rootHash)
            if carried.version > roles.version { newRoles = carried }
        }
        let verified = try SignedRecord.open(payload, as: KeyBundle.self, .keyBundle, keys: newRoles[.bundle])
        roles = newRoles
        guard verified.version > bundle.version else { return false }
        bundle = verified
        return true
    }
}
