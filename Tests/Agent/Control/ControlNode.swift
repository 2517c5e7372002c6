import Control
import Telemetry
import WireFormat

/// An agent around the control machine: what it runs, its durable state, and a power switch.
struct ControlNode {
    /// What a manifest's body does to this node.
    enum Effect: String, CaseIterable {
        case good, failsDryRun, hangsDryRun, failsToApply, crashes, hangsApplying, cutsLink, unacknowledged, overBudget
    }

    static let agent = AgentID(unchecked: "edge-1")
    static let group = ManifestScope.group(GroupName(unchecked: "caches"))

    var machine: ControlStateMachine
    /// What survives a power cut.
    var durable = ControlState()
    var running: [VerifiedManifest] = []
    var reports: [ManifestReport] = []
    var now: Int64 = 0
    var starts = 1
    /// The power goes after so many more actions; nil: never.
    var actionsUntilCut: Int?
    var actionsDone = 0
    var time: Timestamp { Timestamp(milliseconds: 1_800_000_000_000 + now) }

    init() { machine = ControlStateMachine(agent: Self.agent, agentVersion: "1.2.0") }

    static func manifest(
        _ version: UInt64, _ effect: Effect, scope: ManifestScope = .agent,
        change: (inout VerifiedManifest) -> Void = { _ in }
    ) -> VerifiedManifest {
        var manifest = VerifiedManifest(
            scope: scope, version: version, hash: ID256(high: .zero, low: ID128(high: 0, low: version)),
            previousHash: ID256(high: .zero, low: ID128(high: 0, low: version - 1)), body: effect.rawValue)
        change(&manifest)
        return manifest
    }

    private func has(_ effect: Effect) -> Bool { running.contains { $0.body == effect.rawValue } }

    mutating func deliver(_ manifest: VerifiedManifest) { handle(.verified(manifest)) }

    mutating func handle(_ event: ControlStateMachine.Event) {
        var queue = [event]
        while !queue.isEmpty {
            for action in machine.handle(queue.removeFirst(), now: now, time: time) {
                if actionsUntilCut == 0 { return restart() }
                actionsUntilCut = actionsUntilCut.map { $0 - 1 }
                actionsDone += 1
                if !perform(action, &queue) { return restart() }
            }
        }
    }

    /// - Returns: false when the agent dies of it.
    private mutating func perform(_ action: ControlStateMachine.Action, _ queue: inout [ControlStateMachine.Event])
        -> Bool
    {
        switch action {
        case .persist(let state): durable = state
        case .validate(let manifests, let version):
            if manifests.contains(where: { $0.body == Effect.hangsDryRun.rawValue }) { return true }
            let isBad = manifests.contains { $0.body == Effect.failsDryRun.rawValue }
            queue.append(.validated(version: version, error: isBad ? "line 3 is bad" : nil))
        case .apply(let manifests, let version):
            running = manifests
            if has(.crashes) { return false }
            if has(.hangsApplying) { return true }
            queue.append(.applied(version: version, error: has(.failsToApply) ? "cannot listen" : nil))
        case .revert(let manifests): running = manifests
        case .reconnect: queue.append(.disconnected)
        case .report(let report): reports.append(report)
        }
        return true
    }

    mutating func restart() {
        while true {
            starts += 1
            actionsUntilCut = nil
            machine = ControlStateMachine(agent: Self.agent, state: durable, agentVersion: "1.2.0")
            var actions = machine.resume(now: now, time: time)
            if let index = actions.firstIndex(where: { if case .persist = $0 { true } else { false } }),
                case .persist(let state) = actions.remove(at: index)
            {
                durable = state
            }
            running = machine.state.running
            if has(.crashes), starts < 100 { continue }
            var queue: [ControlStateMachine.Event] = []
            for action in actions { _ = perform(action, &queue) }
            for event in queue { handle(event) }
            return
        }
    }

    /// Time passes with the link as good as the running settings let it be.
    mutating func live(milliseconds: Int64) {
        let end = now + milliseconds
        var isConnected = false
        while now < end {
            now += 1000
            if has(.cutsLink) {
                if isConnected { handle(.disconnected) }
                isConnected = false
            } else {
                isConnected = true
                handle(.connected)
                if !has(.unacknowledged) { handle(.acknowledged) }
            }
            handle(.budget(exceeded: has(.overBudget) ? "uses 90 % of a core" : nil))
            handle(.tick)
        }
    }
}
