import Glibc
import Sealing
package import Telemetry
import WireFormat

/// The newest signed manifest of each agent, below an aggregator's data directory.
package struct ManifestFiles: Sendable {
    private let root: String

    package init(dataDirectory: String) { root = "\(dataDirectory)/manifests" }

    /// Names hold no slash and do not start with a dot.
    package func path(_ agent: AgentID, of tenant: TenantID) -> String { "\(root)/\(tenant)/\(agent).signed" }

    /// - Returns: nil when there is none.
    package func read(_ agent: AgentID, of tenant: TenantID) throws -> [UInt8]? {
        try SecretFile.read(
            path(agent, of: tenant), bytesMax: WireLimits.recordBytesMax + SignedEnvelope.overheadBytes)
    }

    /// Durable when it returns.
    package func write(_ record: [UInt8], _ agent: AgentID, of tenant: TenantID) throws {
        mkdir(root, 0o700)
        mkdir("\(root)/\(tenant)", 0o700)
        try SecretFile.write(record, to: path(agent, of: tenant))
    }
}
