import Sealing
package import Telemetry
import WireFormat

/// The node's last findings, kept where the agent can be asked for them without a connection: a file sealed under the
/// machine key.
package struct FindingLog {
    /// The oldest go first, of those that are closed.
    package static let findingsMax = 128

    private let file: SealedFile

    /// - Throws: when the machine key cannot be read or made.
    package init(_ configuration: AgentConfiguration) throws {
        file = try IdentityFile(configuration).findings
    }

    /// The newest first. None when there is no file, or one that does not read: it is made anew then.
    package func read() -> [Finding] {
        guard let bytes = try? file.read(), let findings = try? FindingBlock.decode(bytes) else { return [] }
        return findings.sorted { ($1.since, $0.id) < ($0.since, $1.id) }
    }

    package func add(_ added: [Finding]) throws {
        let ids = Set(added.map(\.id))
        let kept = (added + read().filter { !ids.contains($0.id) }).sorted {
            ($0.until == nil ? 1 : 0, $0.since) > ($1.until == nil ? 1 : 0, $1.since)
        }
        try file.write(FindingBlock.encode(Array(kept.prefix(Self.findingsMax))))
    }
}
