import RuntimeSupport
package import Telemetry
package import WireFormat

/// Where a manifest comes from; each scope counts its own versions.
package enum ManifestScope: Hashable, Sendable {
    case group(GroupName)
    case agent

    /// For messages.
    package var name: String {
        switch self {
        case .group(let group): "group \(group)"
        case .agent: "agent"
        }
    }
}

/// A manifest whose signature, tenant and target were checked.
package struct VerifiedManifest: Sendable, Equatable {
    package var scope: ManifestScope
    package var version: UInt64
    /// BLAKE2b-256 of this manifest's signed record.
    package var hash: ID256
    /// Of the one before; compared when that one is held.
    package var previousHash: ID256
    package var notBefore: Timestamp
    /// Bounds acceptance, never running.
    package var expiresAt: Timestamp
    package var minimumAgentVersion: String
    package var body: String
    /// The groups that it puts the agent into; in agent scope only.
    package var groups: [GroupName]

    package init(
        scope: ManifestScope, version: UInt64, hash: ID256, previousHash: ID256 = .zero,
        notBefore: Timestamp = .distantPast, expiresAt: Timestamp = .distantFuture, minimumAgentVersion: String = "",
        body: String, groups: [GroupName] = []
    ) {
        self.scope = scope
        self.version = version
        self.hash = hash
        self.previousHash = previousHash
        self.notBefore = notBefore
        self.expiresAt = expiresAt
        self.minimumAgentVersion = minimumAgentVersion
        self.body = body
        self.groups = groups
    }

    package init(_ manifest: Manifest, hash: ID256) {
        let scope: ManifestScope = if case .group(let group) = manifest.scope { .group(group) } else { .agent }
        // What cannot be read is said by the dry run.
        let document = scope == .agent ? try? SettingsDocument(manifest.body, source: "") : nil
        let groups = document?.entries[AgentSettings.groupsKey].flatMap { GroupName.list($0.value) } ?? []
        self.init(
            scope: scope, version: manifest.version, hash: hash,
            previousHash: manifest.previousHash, notBefore: manifest.notBefore, expiresAt: manifest.expiresAt,
            minimumAgentVersion: manifest.minimumAgentVersion, body: manifest.body,
            groups: groups)
    }

    /// For error messages: `agent manifest 7`.
    package var name: String { "\(scope.name) manifest \(version)" }
}

/// What control must not forget over a crash or power cut: the owner writes it durably when told to, before it
/// performs the actions that follow.
package struct ControlState: Sendable, Equatable {
    /// A manifest on its way.
    package struct Attempt: Sendable, Equatable {
        package var manifest: VerifiedManifest
        package var step: ManifestReport.Step
        /// Starts of the agent during this attempt; a change that crashes the agent is found by it.
        package var starts: Int
        package init(manifest: VerifiedManifest, step: ManifestReport.Step, starts: Int = 0) {
            self.manifest = manifest
            self.step = step
            self.starts = starts
        }
    }

    /// What runs and survived its baking, for each scope.
    package var committed: [ManifestScope: VerifiedManifest] = [:]
    /// The highest version ever verified, for each scope: lower ones are replays.
    package var highest: [ManifestScope: UInt64] = [:]
    package var attempt: Attempt?
    /// The last attempt's end, for reports.
    package var lastAttempted: [ManifestScope: UInt64] = [:]
    package var lastError = ""

    package init() {}

    /// Bodies to run with, groups before agent: of the attempt once it bakes, else of what is committed.
    package var running: [VerifiedManifest] {
        var manifests = committed
        if let attempt, attempt.step == .baking {
            manifests[attempt.manifest.scope] = attempt.manifest
        }
        return Self.ordered(manifests)
    }

    /// The groups that the agent is in, by the agent's own manifest.
    package var groups: [GroupName] { running.last { $0.scope == .agent }?.groups ?? [] }

    /// Those of the agent's groups in their order, then the agent's own: each overrides the ones before.
    static func ordered(_ manifests: [ManifestScope: VerifiedManifest]) -> [VerifiedManifest] {
        guard let own = manifests[.agent] else { return [] }
        return own.groups.compactMap { manifests[.group($0)] } + [own]
    }

    /// Forgets what groups said that the agent is no longer in. Their highest versions are remembered, up to a bound.
    mutating func leaveGroups() {
        let members = Set(groups.map { ManifestScope.group($0) }).union([.agent])
        committed = committed.filter { members.contains($0.key) }
        lastAttempted = lastAttempted.filter { members.contains($0.key) }
        if highest.count > Self.scopesMax { highest = highest.filter { members.contains($0.key) } }
    }

    /// Scopes whose highest version is kept.
    static let scopesMax = 64

    package func runningVersion(_ scope: ManifestScope) -> UInt64 {
        running.first { $0.scope == scope }?.version ?? 0
    }
}
