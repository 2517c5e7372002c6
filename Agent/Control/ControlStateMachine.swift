package import Telemetry
package import WireFormat

/// Brings signed manifests into effect, one at a time, so that none can brick the node:
/// received → verified → validated → applied → baking → committed, or reverted with the step and the error.
///
/// Pure: its owner verifies signatures, runs the dry run, applies and reverts, and writes the state. Each step is
/// persisted before it is acted on, so that a power cut at any point resumes or reverts.
package struct ControlStateMachine: Sendable {
    package enum Event: Sendable {
        /// A manifest whose signature, tenant and target were checked.
        case verified(VerifiedManifest)
        /// A manifest that was not: it changes nothing, and is counted.
        case unverified(reason: String)
        /// The dry run in a child process; nil: it succeeded.
        case validated(version: UInt64, error: String?)
        /// The settings are in effect, or could not be brought into effect.
        /// After a start during baking: only if they could not.
        case applied(version: UInt64, error: String?)
        case connected
        case disconnected
        /// A verified acknowledgement arrived.
        case acknowledged
        /// The agent's own use over the last window; nil: within its budget.
        case budget(exceeded: String?)
        case tick
    }

    package enum Action: Sendable, Equatable {
        /// Write it durably before anything that follows.
        case persist(ControlState)
        /// Try the manifests' bodies in a child process, without effect; then ``Event/validated(version:error:)``.
        case validate([VerifiedManifest], version: UInt64)
        /// Bring these bodies into effect; then ``Event/applied(version:error:)``.
        case apply([VerifiedManifest], version: UInt64)
        /// Run with these again. It must not fail: they ran before.
        case revert([VerifiedManifest])
        /// Leave the connection and make a new one, so that baking proves that the link works.
        case reconnect
        case report(ManifestReport)
    }

    /// How long the node lets a manifest try.
    package struct Timing: Sendable, Equatable {
        /// From `applied` to both a connection and an acknowledgement on it.
        package var linkMilliseconds: Int64
        /// The shortest baking; the budget must hold for as long.
        package var bakeMilliseconds: Int64
        package init(linkMilliseconds: Int64 = 120_000, bakeMilliseconds: Int64 = 60_000) {
            self.linkMilliseconds = linkMilliseconds
            self.bakeMilliseconds = bakeMilliseconds
        }
    }
    /// A dry run or an applying that does not answer has hung.
    package static let stepMilliseconds: Int64 = 30_000
    /// Starts within one baking; at the next the manifest is taken to crash the agent.
    package static let startsMax = 2
    /// Verified manifests that wait for the one under way: the newest of each scope.
    package static let waitingMax = GroupName.countMax + 1

    /// Of the bodies of all scopes: the state is one value in the buffer.
    package static let bodyBytesMax = 96 * 1024

    package private(set) var state: ControlState
    /// The highest version that the aggregator wanted, for reports.
    package var desiredVersion: UInt64 = 0
    package private(set) var refused: UInt64 = 0
    package var timing = Timing()
    private let agent: AgentID
    private let agentVersion: String
    private var waiting: [ManifestScope: VerifiedManifest] = [:]
    private var lastRefused: [ManifestScope: UInt64] = [:]
    private var isConnected = false
    /// Since `applied`.
    private var hasReconnected = false
    private var isAcknowledged = false
    private var stepDeadline: Int64?
    private var bakedAt: Int64?

    /// - Parameters:
    ///   - state: as persisted, or a fresh one.
    ///   - agentVersion: compared with a manifest's minimum.
    package init(agent: AgentID, state: ControlState = ControlState(), agentVersion: String) {
        self.agent = agent
        self.state = state
        self.agentVersion = agentVersion
    }

    package var nextDeadline: Int64? { [stepDeadline, bakedAt].compactMap { $0 }.min() }

    /// Settles what a crash or power cut interrupted. Call once, before the agent's parts are made; then run with
    /// ``ControlState/running``.
    package mutating func resume(now: Int64, time: Timestamp) -> [Action] {
        guard var attempt = state.attempt else { return [] }
        switch attempt.step {
        case .received, .verified, .validated, .applied:
            // Nothing was in effect for sure: start with the old and try anew, dry run included.
            attempt.starts += 1
            attempt.step = .verified
            state.attempt = attempt
            guard attempt.starts <= Self.startsMax else {
                return revert(
                    "the agent stopped \(attempt.starts) times while it was tried", now, time, isRunning: false)
            }
            return [.persist(state)] + validate(now)
        case .baking:
            attempt.starts += 1
            state.attempt = attempt
            guard attempt.starts <= Self.startsMax else {
                return revert("the agent stopped \(attempt.starts) times while it baked", now, time, isRunning: false)
            }
            startBaking(now, mustReconnect: false)
            return [.persist(state)]
        case .committed, .reverted:
            state.attempt = nil
            return [.persist(state)]
        }
    }

    /// - Parameters:
    ///   - now: monotonic milliseconds.
    ///   - time: wall clock, for validity and reports.
    package mutating func handle(_ event: Event, now: Int64, time: Timestamp) -> [Action] {
        var actions: [Action] = []
        switch event {
        case .verified(let manifest): actions += accept(manifest, now, time)
        case .unverified: refused += 1
        case .validated(let version, let error): actions += validated(version, error, now, time)
        case .applied(let version, let error): actions += applied(version, error, now, time)
        case .connected:
            isConnected = true
            hasReconnected = true
        case .disconnected:
            isConnected = false
            isAcknowledged = false
        case .acknowledged: if isConnected, hasReconnected { isAcknowledged = true }
        case .budget(let exceeded):
            if let exceeded, state.attempt?.step == .baking { actions += revert(exceeded, now, time) }
        case .tick: break
        }
        actions += passDeadlines(now, time)
        return actions
    }

    // MARK: Steps

    private mutating func accept(_ manifest: VerifiedManifest, _ now: Int64, _ time: Timestamp) -> [Action] {
        // Of a group that it just left, perhaps.
        guard isMember(manifest.scope) else {
            refused += 1
            return []
        }
        if let problem = objection(to: manifest, time) {
            refused += 1
            // One report for each version: a broker that repeats a manifest must not make us repeat ourselves.
            guard lastRefused[manifest.scope] != manifest.version else { return [] }
            lastRefused[manifest.scope] = manifest.version
            return [report(manifest, .received, problem, time)]
        }
        if manifest.version <= max(state.highest[manifest.scope] ?? 0, waiting[manifest.scope]?.version ?? 0) {
            return []
        }
        guard state.attempt == nil else {
            // It begins when the one under way has ended. It counts as seen from then on only, so that one that a
            // power cut takes from here is taken from the broker again.
            waiting[manifest.scope] = manifest
            return []
        }
        return begin(manifest, now, time)
    }

    private func isMember(_ scope: ManifestScope) -> Bool {
        switch scope {
        case .agent: true
        case .group(let group): state.groups.contains(group)
        }
    }

    /// - Returns: why it is not accepted; nil if it is, or came before.
    private func objection(to manifest: VerifiedManifest, _ time: Timestamp) -> String? {
        let highest = state.highest[manifest.scope] ?? 0
        if manifest.version == highest { return nil }
        if manifest.version < highest { return "\(manifest.name) is older than version \(highest), which came before" }
        if time >= manifest.expiresAt { return "\(manifest.name) has expired" }
        if time < manifest.notBefore { return "\(manifest.name) is not valid yet" }
        if !manifest.minimumAgentVersion.isEmpty, VersionText(agentVersion) < VersionText(manifest.minimumAgentVersion)
        {
            return "\(manifest.name) needs agent \(manifest.minimumAgentVersion.prefix(32)), this is \(agentVersion)"
        }
        let others = state.committed.filter { $0.key != manifest.scope }.reduce(0) { $0 + $1.value.body.utf8.count }
        if others + manifest.body.utf8.count > Self.bodyBytesMax {
            return "\(manifest.name) and the other manifests held are larger than \(Self.bodyBytesMax) bytes together"
        }
        if let held = state.committed[manifest.scope], held.version + 1 == manifest.version,
            manifest.previousHash != held.hash
        {
            return "\(manifest.name) does not follow version \(held.version), which is held"
        }
        return nil
    }

    private mutating func begin(_ manifest: VerifiedManifest, _ now: Int64, _ time: Timestamp) -> [Action] {
        state.highest[manifest.scope] = manifest.version
        state.attempt = .init(manifest: manifest, step: .verified)
        state.lastAttempted[manifest.scope] = manifest.version
        return [.persist(state), report(manifest, .verified, "", time)] + validate(now)
    }

    private mutating func validate(_ now: Int64) -> [Action] {
        guard let attempt = state.attempt else { return [] }
        stepDeadline = now + Self.stepMilliseconds
        return [.validate(candidate(attempt.manifest), version: attempt.manifest.version)]
    }

    private func candidate(_ manifest: VerifiedManifest) -> [VerifiedManifest] {
        var manifests = state.committed
        manifests[manifest.scope] = manifest
        return ControlState.ordered(manifests)
    }

    private mutating func validated(_ version: UInt64, _ error: String?, _ now: Int64, _ time: Timestamp) -> [Action] {
        guard let attempt = state.attempt, attempt.manifest.version == version,
            attempt.step == .verified || attempt.step == .received || attempt.step == .validated
        else { return [] }
        if let error { return revert(error, now, time, isRunning: false) }
        // The count of starts guards against a body that kills the agent.
        state.attempt?.step = .applied
        stepDeadline = now + Self.stepMilliseconds
        return [
            report(attempt.manifest, .validated, "", time), .persist(state),
            .apply(candidate(attempt.manifest), version: version),
        ]
    }

    private mutating func applied(_ version: UInt64, _ error: String?, _ now: Int64, _ time: Timestamp) -> [Action] {
        guard let attempt = state.attempt, attempt.manifest.version == version else { return [] }
        // A start in the midst of baking may fail to bring it into effect, too.
        if let error, attempt.step == .applied || attempt.step == .baking { return revert(error, now, time) }
        guard attempt.step == .applied else { return [] }
        state.attempt?.step = .baking
        startBaking(now, mustReconnect: true)
        return [.persist(state), report(attempt.manifest, .baking, "", time), .reconnect]
    }

    private mutating func startBaking(_ now: Int64, mustReconnect: Bool) {
        hasReconnected = !mustReconnect
        isAcknowledged = false
        stepDeadline = now + timing.linkMilliseconds
        bakedAt = now + timing.bakeMilliseconds
    }

    private mutating func passDeadlines(_ now: Int64, _ time: Timestamp) -> [Action] {
        guard let attempt = state.attempt else { return [] }
        guard attempt.step == .baking else {
            guard let deadline = stepDeadline, now >= deadline else { return [] }
            let what = attempt.step == .applied ? "applying" : "the dry run"
            return revert(
                "\(what) did not end within \(Self.stepMilliseconds / 1000) s", now, time,
                isRunning: attempt.step == .applied)
        }
        let isLinked = isConnected && hasReconnected && isAcknowledged
        if isLinked { stepDeadline = nil }
        if let bakedAt, now >= bakedAt {
            if isLinked { return commit(now, time) }
            self.bakedAt = nil
        }
        if bakedAt == nil, isLinked { return commit(now, time) }
        if stepDeadline == nil, !isLinked { stepDeadline = now + timing.linkMilliseconds }
        guard let deadline = stepDeadline, now >= deadline else { return [] }
        let missing = isConnected && hasReconnected ? "no acknowledgement arrived" : "the link did not come back"
        return revert("\(missing) within \(timing.linkMilliseconds / 1000) s of the change", now, time)
    }

    // MARK: Ends

    private mutating func commit(_ now: Int64, _ time: Timestamp) -> [Action] {
        guard let attempt = state.attempt else { return [] }
        state.committed[attempt.manifest.scope] = attempt.manifest
        state.lastError = ""
        endAttempt()
        state.leaveGroups()
        return [.persist(state), report(attempt.manifest, .committed, "", time)] + next(now, time)
    }

    private mutating func revert(_ error: String, _ now: Int64, _ time: Timestamp, isRunning: Bool = true) -> [Action] {
        guard let attempt = state.attempt else { return [] }
        let problem = "\(attempt.manifest.name), \(attempt.step): \(error)"
        state.lastError = String(problem.prefix(ManifestReport.errorBytesMax / 4))
        endAttempt()
        var actions: [Action] = [.persist(state)]
        if isRunning { actions.append(.revert(state.running)) }
        actions.append(report(attempt.manifest, .reverted, state.lastError, time))
        return actions + next(now, time)
    }

    private mutating func endAttempt() {
        state.attempt = nil
        stepDeadline = nil
        bakedAt = nil
    }

    private mutating func next(_ now: Int64, _ time: Timestamp) -> [Action] {
        waiting = waiting.filter { isMember($0.key) }
        for scope in state.groups.map({ ManifestScope.group($0) }) + [.agent] {
            guard let manifest = waiting.removeValue(forKey: scope) else { continue }
            guard time < manifest.expiresAt else { continue }
            return begin(manifest, now, time)
        }
        return []
    }

    private func report(
        _ manifest: VerifiedManifest, _ step: ManifestReport.Step, _ error: String, _ time: Timestamp
    ) -> Action {
        let scope: Manifest.Scope
        var desired = state.highest[manifest.scope] ?? 0
        switch manifest.scope {
        case .group(let group): scope = .group(group)
        case .agent:
            scope = .agent(agent)
            desired = max(desired, desiredVersion)
        }
        return .report(
            ManifestReport(
                scope: scope, desiredVersion: desired,
                attemptedVersion: state.lastAttempted[manifest.scope] ?? 0,
                runningVersion: state.runningVersion(manifest.scope), step: step, error: error, at: time))
    }
}
