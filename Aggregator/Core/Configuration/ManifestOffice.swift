import Access
import MQTT
import RuntimeSupport
import Sealing
import Synchronization
import Telemetry
import WireFormat

/// Takes signed manifests, keeps the newest of each agent in `manifests/<tenant>/<agent>.signed`, and publishes it,
/// sealed to the agent's box key and retained, on the agent's `down/config`.
///
/// Thread-safe. It only verifies: what signs is wherever the manifest key is.
final class ManifestOffice: Sendable {
    private struct Entry {
        var manifest: Manifest
        var record: [UInt8]
        /// To which box key it was published last; nil: not yet.
        var publishedTo: ID256?
    }

    private let files: ManifestFiles
    private let keys: KeyDirectory
    private let directory: AgentDirectory
    private let time: any TimeSource
    private let publishRetained: @Sendable (_ topic: String, _ payload: [UInt8]) -> Void
    private let desire: @Sendable (_ version: UInt64, AgentID, TenantID) -> Void
    private let report: @Sendable (String) -> Void
    private let entries: Mutex<[AgentDirectory.Address: Entry]>

    /// Reads what was kept; a file that is not a manifest signed for its agent is left out and reported.
    init(
        files: ManifestFiles, keys: KeyDirectory, directory: AgentDirectory, time: any TimeSource,
        publishRetained: @escaping @Sendable (_ topic: String, _ payload: [UInt8]) -> Void,
        desire: @escaping @Sendable (_ version: UInt64, AgentID, TenantID) -> Void,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.files = files
        self.keys = keys
        self.directory = directory
        self.time = time
        self.publishRetained = publishRetained
        self.desire = desire
        self.report = report
        var kept: [AgentDirectory.Address: Entry] = [:]
        for issued in directory.certificatesOfAll {
            let address = AgentDirectory.Address(tenant: issued.tenant, agent: issued.agent)
            do {
                guard let record = try files.read(address.agent, of: address.tenant) else { continue }
                let manifest = try Self.verified(record, address, keys)
                kept[address] = Entry(manifest: manifest, record: record)
            } catch {
                report("\(files.path(address.agent, of: address.tenant)) is left out: \(error)")
            }
        }
        entries = Mutex(kept)
    }

    /// Publishes all that was kept; once at start.
    func publishAll() {
        for address in entries.withLock({ Array($0.keys) }) { announce(address.agent, address.tenant) }
    }

    /// Tells an agent what it shall run: after a birth, for it may be new here or have a new key.
    func announce(_ agent: AgentID, _ tenant: TenantID) {
        let address = AgentDirectory.Address(tenant: tenant, agent: agent)
        guard let certificate = directory.certificate(of: agent, in: tenant, at: time.now) else { return }
        let due = entries.withLock { entries -> (version: UInt64, record: [UInt8]?)? in
            guard let entry = entries[address] else { return nil }
            let isPublished = entry.publishedTo == certificate.boxKey
            entries[address]?.publishedTo = certificate.boxKey
            return (entry.manifest.version, isPublished ? nil : entry.record)
        }
        guard let due else { return }
        desire(due.version, agent, tenant)
        guard let record = due.record else { return }
        do {
            publishRetained(
                AgentTopics(tenant: tenant, agent: agent).configuration,
                try SealedBox.seal(record, to: certificate.boxKey))
        } catch { report("the manifest of \(tenant)/\(agent) cannot be sealed: \(error)") }
    }

    /// - Returns: its version.
    /// - Throws: ``AccessError`` that says what is wrong with it.
    func publish(_ record: [UInt8], of tenant: TenantID) throws -> UInt64 {
        guard let envelope = try? SignedEnvelope(decoding: record), envelope.kind == .manifest,
            let claimed = try? Manifest(decoding: envelope.body)
        else { throw AccessError(.invalid, "the body is not a signed manifest") }
        guard case .agent(let agent) = claimed.scope else {
            throw AccessError(.refused, "manifests for groups are not supported by this release; push to each agent")
        }
        let address = AgentDirectory.Address(tenant: tenant, agent: agent)
        guard directory.certificate(of: agent, in: tenant, at: time.now) != nil else {
            throw AccessError(.notFound, "there is no agent \(agent) with a certificate in force")
        }
        let manifest: Manifest
        do { manifest = try Self.verified(record, address, keys) } catch {
            throw AccessError(.refused, "the manifest key did not sign this manifest for \(tenant)/\(agent)")
        }
        guard manifest.expiresAt > time.now else { throw AccessError(.refused, "the manifest has expired") }
        try entries.withLock { entries in
            if let held = entries[address] {
                guard manifest.version > held.manifest.version else {
                    throw AccessError(
                        .exists, "version \(manifest.version) is not above \(held.manifest.version), which is held")
                }
                guard
                    manifest.version != held.manifest.version + 1
                        || manifest.previousHash == Hash.blake2b256(held.record)
                else {
                    throw AccessError(.refused, "the manifest does not follow version \(held.manifest.version)")
                }
            }
            try files.write(record, agent, of: tenant)
            entries[address] = Entry(manifest: manifest, record: record)
        }
        announce(agent, tenant)
        return manifest.version
    }

    private static func verified(
        _ record: [UInt8], _ address: AgentDirectory.Address, _ keys: KeyDirectory
    ) throws -> Manifest {
        let manifest = try SignedRecord.open(
            record, as: Manifest.self, .manifest, tenant: address.tenant, agent: address.agent,
            keys: keys.roleList[.manifest])
        guard manifest.scope == .agent(address.agent) else { throw SealingError.notAuthentic }
        return manifest
    }
}
