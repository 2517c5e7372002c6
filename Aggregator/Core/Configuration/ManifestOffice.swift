package import Access
package import RuntimeSupport
import Sealing
import Synchronization
package import Telemetry
import WireFormat

/// Takes signed manifests, keeps the newest of each agent and group in ``ManifestFiles``, and publishes it, retained:
/// an agent's on its own `down/config`, sealed to its box key; a group's on the group's, signed only.
///
/// An agent's manifest says which groups it is in; the broker lets it read those groups' topics before it is told.
/// Thread-safe. What people push is signed wherever the manifest key is; the office signs only what an enrolment
/// token says: the groups of a new agent.
package final class ManifestOffice: Sendable {
    /// What the office needs of the program around it.
    package struct Hooks: Sendable {
        package var publishRetained: @Sendable (_ topic: String, _ payload: [UInt8]) -> Void
        /// Has acknowledgements name the version that an agent shall run.
        package var desire: @Sendable (_ version: UInt64, AgentID, TenantID) -> Void
        /// Lets an agent read these groups' topics and no others. Durable, and known to the broker, when it returns.
        package var setGroups: @Sendable ([GroupName], AgentID, TenantID) throws -> Void
        package var report: @Sendable (String) -> Void

        package init(
            publishRetained: @escaping @Sendable (_ topic: String, _ payload: [UInt8]) -> Void,
            desire: @escaping @Sendable (_ version: UInt64, AgentID, TenantID) -> Void,
            setGroups: @escaping @Sendable ([GroupName], AgentID, TenantID) throws -> Void,
            report: @escaping @Sendable (String) -> Void
        ) {
            self.publishRetained = publishRetained
            self.desire = desire
            self.setGroups = setGroups
            self.report = report
        }
    }
    private struct Entry {
        var manifest: Manifest
        var record: [UInt8]
        var groups: [GroupName] = []
        /// To which box key an agent's was published last; nil: not yet.
        var publishedTo: ID256?
    }
    /// Within which a manifest that the office itself makes has to be taken.
    static let ownMilliseconds: Int64 = 365 * 86_400_000

    private let files: ManifestFiles
    private let keys: KeyDirectory
    private let directory: AgentDirectory
    private let time: any TimeSource
    private let hooks: Hooks
    private let entries: Mutex<[ManifestTarget: Entry]>

    /// Reads what was kept; a file that is not a manifest signed for its agent or group is left out and reported.
    package init(
        files: ManifestFiles, keys: KeyDirectory, directory: AgentDirectory, tenants: [TenantID],
        time: any TimeSource, hooks: Hooks
    ) {
        self.files = files
        self.keys = keys
        self.directory = directory
        self.time = time
        self.hooks = hooks
        let agents = directory.certificatesOfAll.map { ManifestTarget.agent($0.agent, $0.tenant) }
        let groups = tenants.flatMap { tenant in
            files.groupNames(of: tenant).map { ManifestTarget.group($0, tenant) }
        }
        var kept: [ManifestTarget: Entry] = [:]
        for target in agents + groups {
            do {
                guard let record = try files.read(target) else { continue }
                kept[target] = try Self.entry(record, target, keys)
            } catch {
                hooks.report("\(files.path(target)) is left out: \(error)")
            }
        }
        entries = Mutex(kept)
    }

    /// Publishes all that was kept; once at start.
    package func publishAll() {
        for target in entries.withLock({ Array($0.keys) }) { announce(target) }
    }

    /// Tells an agent what it shall run: after a birth, for it may be new here or have a new key.
    package func announce(_ agent: AgentID, _ tenant: TenantID) { announce(.agent(agent, tenant)) }

    private func announce(_ target: ManifestTarget) {
        switch target {
        case .group(let group, let tenant):
            guard let record = entries.withLock({ $0[target]?.record }) else { return }
            hooks.publishRetained(Topics.groupConfiguration(tenant, group), record)
        case .agent(let agent, let tenant):
            guard let certificate = directory.certificate(of: agent, in: tenant, at: time.now) else { return }
            let due = entries.withLock { entries -> (version: UInt64, record: [UInt8]?)? in
                guard let entry = entries[target] else { return nil }
                let isPublished = entry.publishedTo == certificate.boxKey
                entries[target]?.publishedTo = certificate.boxKey
                return (entry.manifest.version, isPublished ? nil : entry.record)
            }
            guard let due else { return }
            hooks.desire(due.version, agent, tenant)
            guard let record = due.record else { return }
            do {
                hooks.publishRetained(
                    AgentTopics(tenant: tenant, agent: agent).configuration,
                    try SealedBox.seal(record, to: certificate.boxKey))
            } catch { hooks.report("the manifest of \(target) cannot be sealed: \(error)") }
        }
    }

    /// Versions held for an agent: its own manifest's, and those of the groups that it puts the agent into.
    package func desired(of agent: AgentID, in tenant: TenantID) -> (own: UInt64, groups: [(GroupName, UInt64)]) {
        entries.withLock { entries in
            guard let own = entries[.agent(agent, tenant)] else { return (0, []) }
            return (own.manifest.version, own.groups.map { ($0, entries[.group($0, tenant)]?.manifest.version ?? 0) })
        }
    }

    /// - Returns: its version.
    /// - Throws: ``AccessError`` that says what is wrong with it.
    package func publish(_ record: [UInt8], of tenant: TenantID) throws -> UInt64 {
        guard let envelope = try? SignedEnvelope(decoding: record), envelope.kind == .manifest,
            let claimed = try? Manifest(decoding: envelope.body)
        else { throw AccessError(.invalid, "the body is not a signed manifest") }
        let target: ManifestTarget
        switch claimed.scope {
        case .group(let group): target = .group(group, tenant)
        case .agent(let agent):
            target = .agent(agent, tenant)
            guard directory.certificate(of: agent, in: tenant, at: time.now) != nil else {
                throw AccessError(.notFound, "there is no agent \(agent) with a certificate in force")
            }
        }
        let entry: Entry
        do { entry = try Self.entry(record, target, keys) } catch let error as SettingsError {
            throw AccessError(.invalid, "\(error)")
        } catch {
            throw AccessError(.refused, "the manifest key did not sign this manifest for \(target)")
        }
        guard entry.manifest.expiresAt > time.now else { throw AccessError(.refused, "the manifest has expired") }
        try keep(entry, target)
        announce(target)
        return entry.manifest.version
    }

    private func keep(_ entry: Entry, _ target: ManifestTarget) throws {
        let manifest = entry.manifest
        try entries.withLock { entries in
            if let held = entries[target] {
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
            if case .agent(let agent, let tenant) = target, entry.groups != entries[target]?.groups ?? [] {
                try hooks.setGroups(entry.groups, agent, tenant)
            }
            try files.write(entry.record, target)
            entries[target] = entry
        }
    }

    /// A new agent is put into groups, beside what an earlier agent of its name was set to.
    package func join(_ groups: [GroupName], _ agent: AgentID, _ tenant: TenantID) throws {
        let target = ManifestTarget.agent(agent, tenant)
        let held = entries.withLock { $0[target] }
        guard held?.groups != groups else { return }
        let now = time.now
        let manifest = Manifest(
            scope: .agent(agent), version: (held?.manifest.version ?? 0) + 1,
            previousHash: held.map { Hash.blake2b256($0.record) } ?? .zero,
            notBefore: now.advanced(byMilliseconds: -300_000),
            expiresAt: now.advanced(byMilliseconds: Self.ownMilliseconds),
            body: ManifestText.setting(groups, in: held?.manifest.body ?? ""))
        let record = SignedRecord.sign(
            .manifest, tenant: tenant, agent: agent, record: manifest, with: keys.signer(.manifest))
        try keep(try Self.entry(record, target, keys), target)
        announce(target)
    }

    private static func entry(_ record: [UInt8], _ target: ManifestTarget, _ keys: KeyDirectory) throws -> Entry {
        let signers = keys.roleList[.manifest]
        switch target {
        case .agent(let agent, let tenant):
            let manifest = try SignedRecord.open(
                record, as: Manifest.self, .manifest, tenant: tenant, agent: agent, keys: signers)
            guard manifest.scope == .agent(agent) else { throw SealingError.notAuthentic }
            let source = "\(target)'s manifest \(manifest.version)"
            return Entry(
                manifest: manifest, record: record, groups: try ManifestText.groups(in: manifest.body, source: source))
        case .group(let group, let tenant):
            let manifest = try SignedRecord.open(record, as: Manifest.self, .manifest, tenant: tenant, keys: signers)
            guard manifest.scope == .group(group) else { throw SealingError.notAuthentic }
            let source = "\(target)'s manifest \(manifest.version)"
            let document = try SettingsDocument(manifest.body, source: source)
            if document.entries[ManifestText.groupsKey] != nil {
                throw document.error(ManifestText.groupsKey, "belongs into an agent's own manifest")
            }
            return Entry(manifest: manifest, record: record)
        }
    }
}
