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
}
