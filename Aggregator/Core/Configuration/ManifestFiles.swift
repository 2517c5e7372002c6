import Glibc
import Sealing
package import Telemetry
import WireFormat

/// Whom a manifest is for, within the whole installation.
package enum ManifestTarget: Hashable, Sendable, CustomStringConvertible {
    case agent(AgentID, TenantID)
    case group(GroupName, TenantID)

    package var description: String {
        switch self {
        case .agent(let agent, let tenant): "\(tenant)/\(agent)"
        case .group(let group, let tenant): "\(tenant)/group \(group)"
        }
    }
}

/// The newest signed manifest of each agent and group, below an aggregator's data directory:
/// `manifests/<tenant>/<agent>.signed` and `manifests/<tenant>/_group/<group>.signed`.
package struct ManifestFiles: Sendable {
    private static let suffix = ".signed"
    private static let recordBytesMax = WireLimits.recordBytesMax + SignedEnvelope.overheadBytes
    private let root: String

    package init(dataDirectory: String) { root = "\(dataDirectory)/manifests" }

    /// Names hold no slash and start with neither a dot nor `_`.
    package func path(_ target: ManifestTarget) -> String {
        switch target {
        case .agent(let agent, let tenant): "\(root)/\(tenant)/\(agent)\(Self.suffix)"
        case .group(let group, let tenant): "\(groups(of: tenant))/\(group)\(Self.suffix)"
        }
    }

    private func groups(of tenant: TenantID) -> String { "\(root)/\(tenant)/_group" }

    /// - Returns: nil when there is none.
    package func read(_ target: ManifestTarget) throws -> [UInt8]? {
        try SecretFile.read(path(target), bytesMax: Self.recordBytesMax)
    }

    /// Durable when it returns.
    package func write(_ record: [UInt8], _ target: ManifestTarget) throws {
        mkdir(root, 0o700)
        switch target {
        case .agent(_, let tenant): mkdir("\(root)/\(tenant)", 0o700)
        case .group(_, let tenant):
            mkdir("\(root)/\(tenant)", 0o700)
            mkdir(groups(of: tenant), 0o700)
        }
        try SecretFile.write(record, to: path(target))
    }

    /// The groups of a tenant that have a manifest, in no order.
    package func groupNames(of tenant: TenantID) -> [GroupName] {
        guard let directory = opendir(groups(of: tenant)) else { return [] }
        defer { closedir(directory) }
        var names: [GroupName] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(Self.suffix) else { continue }
            if let group = GroupName(rawValue: String(name.dropLast(Self.suffix.count))) { names.append(group) }
        }
        return names
    }
}
