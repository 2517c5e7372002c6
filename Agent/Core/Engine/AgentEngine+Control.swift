import Buffer
import Control
import MQTT
import RuntimeSupport
import Sealing
import Telemetry
import Uplink
import WireFormat

/// Manifests: from the message that brings one to the report of what became of it.
extension AgentEngine {
    private static let stateKey = "control"

    /// - Returns: a fresh state and why, if the one kept cannot be read.
    static func keptControlState(in buffer: Buffer) -> (ControlState, problem: String?) {
        do {
            guard let bytes = try buffer.value(stateKey) else { return (ControlState(), nil) }
            return (try ControlState(decoding: bytes), nil)
        } catch {
            return (ControlState(), "the configuration kept cannot be read, the node's own settings apply: \(error)")
        }
    }

    /// A manifest as it came from the broker.
    /// - Parameter group: on whose topic it came; nil: on the agent's own.
    /// - Throws: ``SealingError`` when it is not for this agent or group, or nobody entitled signed it.
    func configure(_ payload: [UInt8], group: GroupName? = nil) throws {
        let record = group == nil ? try boxKey.open(payload) : payload
        let manifest = try trust.manifest(record, tenant: topics.tenant, agent: group == nil ? topics.agent : nil)
        if let group, manifest.scope != .group(group) { throw SealingError.notAuthentic }
        let hash = Hash.blake2b256(record)
        if group == nil { tell(.configurationReceived(version: manifest.version)) }
        tellControl(.verified(VerifiedManifest(manifest, hash: hash)))
    }

    func tellControl(_ event: ControlStateMachine.Event) {
        performControl(control.handle(event, now: now, time: time.now))
    }

    /// What a crash or power cut interrupted goes on or is taken back, and what is committed takes effect again.
    func resumeControl() {
        readNodeSettings()
        performControl(control.resume(now: now, time: time.now))
        runWithCurrentSettings()
    }

    /// The node's settings were read anew; what manifests say stays on top of them.
    func reloadSettings() {
        let before = guardLimits
        readNodeSettings()
        runWithCurrentSettings()
        let waiting = configuration.settings.keysAwaitingRestart(since: startSettings)
        if !waiting.isEmpty {
            parts.report(.control("these take effect with a restart only: \(waiting.joined(separator: ", "))"))
        }
        if guardLimits != before { parts.report(.control("the guard file's limits changed")) }
    }

    private func readNodeSettings() {
        do {
            if let fresh = try parts.control.reload() {
                configuration.settings = fresh.settings
                guardLimits = fresh.guardLimits
                useActions(guardLimits.actions)
            }
        } catch {
            parts.report(.control("the node's settings are as before: \(error)"))
        }
        control.timing = ControlStateMachine.Timing(
            linkMilliseconds: configuration.settings.manifestLinkMilliseconds,
            bakeMilliseconds: configuration.settings.manifestBakeMilliseconds)
    }

    private func runWithCurrentSettings() {
        let attempt = control.state.attempt
        if let problem = bringIntoEffect(control.state.running) {
            parts.report(.control(problem))
            bringIntoEffect([])
            if let attempt, attempt.step == .baking {
                tellControl(.applied(version: attempt.manifest.version, error: problem))
            }
        }
    }

    private func performControl(_ actions: [ControlStateMachine.Action]) {
        var isKept = true
        for action in actions {
            switch action {
            case .persist(let state):
                do { try buffer.setValue(Self.stateKey, state.encoded()) } catch {
                    // Nothing new takes effect that a power cut would forget; its step runs into its deadline.
                    isKept = false
                    parts.report(.control("the state of the configuration could not be kept: \(error)"))
                }
            case .validate(let manifests, let version):
                guard isKept else { continue }
                validate(manifests.map { ManifestCheck.Body($0) }, version)
            case .apply(let manifests, let version):
                guard isKept else { continue }
                tellControl(.applied(version: version, error: bringIntoEffect(manifests)))
            case .revert(let manifests):
                if let problem = bringIntoEffect(manifests) {
                    parts.report(.control("what ran before does not any more: \(problem)"))
                    bringIntoEffect([])
                }
                reconnect()
            case .reconnect: reconnect()
            case .report(let report): publish(report)
            }
        }
    }

    /// A connection made under the new settings is what shows that they leave the link working.
    private func reconnect() {
        ownUse.begin(parts.control.ownUse(), now: now)
        parts.transport.disconnect()
    }

    private var check: ManifestCheck {
        ManifestCheck(
            settings: configuration.settings, guardLimits: guardLimits, collectors: parts.control.collectors)
    }

    private func validate(_ bodies: [ManifestCheck.Body], _ version: UInt64) {
        if let dryRun = parts.control.dryRun { return dryRun(bodies, version) }
        tellControl(.validated(version: version, error: check.objection(to: bodies)))
    }

    /// - Returns: why they are not in effect; nil if they are.
    @discardableResult
    private func bringIntoEffect(_ manifests: [VerifiedManifest]) -> String? {
        let wanted: AgentSettings
        do { wanted = try check.layered(manifests.map { ManifestCheck.Body($0) }) } catch { return "\(error)" }
        if let problem = parts.control.apply(wanted) { return problem }
        settings = wanted
        useRules(wanted.rules)
        // Their topics are subscribed to with the next connection.
        topics = AgentTopics(tenant: topics.tenant, agent: topics.agent, groups: wanted.groups)
        configuration.flushMilliseconds = wanted.flushIntervalMilliseconds
        nextFlush = min(nextFlush, now + flushMilliseconds)
        return nil
    }

    private func publish(_ report: ManifestReport) {
        let detail = report.error.isEmpty ? "" : ": \(report.error)"
        let scope = if case .group(let group) = report.scope { "group \(group)'s manifest" } else { "manifest" }
        parts.report(.control("\(scope) \(report.attemptedVersion) \(report.step)\(detail)"))
        metrics.add("stagebox_agent_manifest_steps_total", 1, "step", "\(report.step)")
        send(
            result: SignedRecord.sign(
                .result, tenant: topics.tenant, agent: topics.agent, record: report, with: signingKey))
    }

    /// - Parameter result: a signed record; only the aggregator can read it on its way.
    func send(result: [UInt8]) {
        do { tell(.resultReady(results.add(try sealer.keys.seal(result, now: time.now)))) } catch {
            parts.report(.control("a result could not be sealed: \(error)"))
        }
    }

    /// While a manifest bakes, what the agent itself uses must stay within its budget.
    func watchOwnUse(_ now: Int64) {
        guard control.state.attempt?.step == .baking else { return }
        guard let verdict = ownUse.judge(parts.control.ownUse(), now: now) else { return }
        tellControl(.budget(exceeded: verdict.exceeded))
    }
}

/// Signed results that wait for the broker; the newest ``countMax``.
struct ResultOutbox {
    static let countMax = 32
    private var payloads: [UInt64: [UInt8]] = [:]
    private var next: UInt64 = 1

    subscript(number: UInt64) -> [UInt8]? { payloads[number] }

    mutating func add(_ payload: [UInt8]) -> UInt64 {
        defer { next += 1 }
        payloads[next] = payload
        if next > UInt64(Self.countMax) { payloads[next - UInt64(Self.countMax)] = nil }
        return next
    }
}
