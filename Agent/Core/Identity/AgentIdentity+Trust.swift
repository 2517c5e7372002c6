package import Sealing
package import WireFormat

extension AgentIdentity {
    /// What this agent checks signatures with, from its pinned root down, and the key bundle that it holds.
    /// - Throws: ``SealingError`` when role list or bundle are not authentic.
    package func trust() throws(SealingError) -> (FleetTrust, KeyBundle) {
        var trust = FleetTrust(rootHash: rootHash)
        try trust.accept(roleList: roleList)
        try trust.accept(bundle: keyBundle)
        guard let bundle = trust.bundle else { throw .notAuthentic }
        return (trust, bundle)
    }

    /// Whether the certificate lets this agent hand on the series of others. It was verified when it was kept.
    package var isRelay: Bool {
        guard let body = try? SignedEnvelope(decoding: certificate).body else { return false }
        return (try? Certificate(decoding: body))?.isRelay ?? false
    }
}
