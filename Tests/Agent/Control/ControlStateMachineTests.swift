import Control
import Telemetry
import Testing
import WireFormat

@Suite("control")
struct ControlStateMachineTests {
    private typealias Effect = ControlNode.Effect

    @Test("a good manifest goes through every step and is committed after baking")
    func commits() {
        var node = ControlNode()
        node.deliver(ControlNode.manifest(1, .good))
        #expect(node.machine.state.attempt?.step == .baking)
        node.live(milliseconds: 59_000)
        #expect(node.machine.state.attempt?.step == .baking)
        node.live(milliseconds: 2000)
        #expect(node.machine.state.attempt == nil)
        #expect(node.machine.state.committed[.agent]?.version == 1)
        #expect(node.reports.map(\.step) == [.verified, .validated, .baking, .committed])
        #expect(node.reports.last?.runningVersion == 1)
        #expect(node.machine.nextDeadline == nil)
        #expect(node.durable == node.machine.state)
    }

    @Test(
        "R22: a manifest that harms the node is reverted by itself, with step and error",
        arguments: ControlNode.Effect.allCases)
    func reverts(effect: ControlNode.Effect) {
        var node = ControlNode()
        node.deliver(ControlNode.manifest(1, .good))
        node.live(milliseconds: 120_000)
        node.deliver(ControlNode.manifest(2, effect))
        node.live(milliseconds: 400_000)
        guard effect != .good else { return }
        #expect(node.running.map(\.version) == [1])
        #expect(node.durable.committed[.agent]?.version == 1)
        #expect(node.reports.last?.step == .reverted)
        #expect(node.reports.last?.attemptedVersion == 2)
        #expect(node.reports.last?.runningVersion == 1)
        #expect(node.reports.last?.error.contains("agent manifest 2") == true, "\(node.reports)")
        // It is not tried again, however often the broker brings it.
        let count = node.reports.count
        node.deliver(ControlNode.manifest(2, effect))
        node.deliver(ControlNode.manifest(1, .good))
        #expect(node.machine.state.attempt == nil)
        #expect(node.reports.count <= count + 1)
        // A higher version is.
        node.deliver(ControlNode.manifest(3, .good) { $0.previousHash = .zero })
        node.live(milliseconds: 120_000)
        #expect(node.running.map(\.version) == [3])
    }

    @Test("R23: a power cut after any action leaves the old or the new configuration, and the end is the same")
    func powerCuts() {
        for effect in Effect.allCases {
            var node = ControlNode()
            node.deliver(ControlNode.manifest(1, .good))
            node.live(milliseconds: 120_000)
            var whole = node
            whole.deliver(ControlNode.manifest(2, effect))
            whole.live(milliseconds: 400_000)
            let actions = whole.actionsDone - node.actionsDone
            #expect(actions >= 3)
            for cut in 0...actions {
                var cutNode = node
                cutNode.actionsUntilCut = cut
                cutNode.deliver(ControlNode.manifest(2, effect))
                cutNode.live(milliseconds: 400_000)
                // A cut before the first write forgets it; the retained message comes again with the next connection.
                cutNode.deliver(ControlNode.manifest(2, effect))
                cutNode.live(milliseconds: 400_000)
                let expected: [UInt64] = effect == .good ? [2] : [1]
                #expect(cutNode.running.map(\.version) == expected, "\(effect), cut after \(cut) actions")
                #expect(cutNode.durable.attempt == nil)
                #expect(cutNode.durable.committed[.agent]?.version == expected[0])
                #expect(cutNode.starts < 10)
            }
        }
    }

    @Test("versions only grow; expired, early, too new and unconnected manifests are refused with a reason, once")
    func refusals() {
        var node = ControlNode()
        node.deliver(ControlNode.manifest(5, .good))
        node.live(milliseconds: 120_000)
        node.reports.removeAll()
        let time = node.time
        let cases: [(VerifiedManifest, String)] = [
            (ControlNode.manifest(4, .good), "older"),
            (ControlNode.manifest(7, .good) { $0.expiresAt = time }, "expired"),
            (ControlNode.manifest(8, .good) { $0.notBefore = time.advanced(byMilliseconds: 5000) }, "not valid yet"),
            (ControlNode.manifest(9, .good) { $0.minimumAgentVersion = "1.10" }, "needs agent 1.10"),
            (ControlNode.manifest(6, .good) { $0.previousHash = .zero }, "does not follow"),
        ]
        for (manifest, reason) in cases {
            node.deliver(manifest)
            node.deliver(manifest)
            #expect(node.reports.count == 1 && node.reports[0].error.contains(reason), "\(node.reports)")
            #expect(node.machine.state.attempt == nil)
            node.reports.removeAll()
        }
        node.handle(.unverified(reason: "bad signature"))
        #expect(node.running.map(\.version) == [5])
        // Skipping a version is fine, and so is the one before last as "previous".
        node.deliver(ControlNode.manifest(10, .good) { $0.minimumAgentVersion = "1.2" })
        node.live(milliseconds: 120_000)
        #expect(node.running.map(\.version) == [10])
    }

    @Test("scopes count for themselves, the group stands before the agent, and one waits for the other")
    func scopes() {
        var node = ControlNode()
        let group = ControlNode.group
        node.deliver(ControlNode.manifest(7, .good, scope: .agent) { $0.groups = [GroupName(unchecked: "caches")] })
        node.deliver(ControlNode.manifest(2, .good, scope: group))
        node.deliver(ControlNode.manifest(3, .good, scope: group))
        node.deliver(ControlNode.manifest(2, .good, scope: group))
        #expect(node.running.map(\.version) == [7])
        node.live(milliseconds: 200_000)
        #expect(node.running.map(\.version) == [3, 7])
        #expect(node.running.map(\.scope) == [group, .agent])
        #expect(node.reports.last?.scope == .group(GroupName(unchecked: "caches")))
        // A bad group manifest leaves the agent's alone.
        node.deliver(ControlNode.manifest(4, .cutsLink, scope: group))
        node.live(milliseconds: 300_000)
        #expect(node.running.map(\.version) == [3, 7])
    }

    @Test("a group's manifest counts only while the agent's own says that it is in the group, in the order it says")
    func membership() {
        let (one, two) = (GroupName(unchecked: "one"), GroupName(unchecked: "two"))
        var node = ControlNode()
        node.deliver(ControlNode.manifest(1, .good, scope: .group(one)))
        #expect(node.machine.state.attempt == nil && node.reports.isEmpty)
        node.deliver(ControlNode.manifest(1, .good) { $0.groups = [two, one] })
        // While the agent's own bakes its groups' manifests come, and wait.
        node.deliver(ControlNode.manifest(5, .good, scope: .group(one)))
        node.deliver(ControlNode.manifest(6, .good, scope: .group(two)))
        node.live(milliseconds: 400_000)
        #expect(node.running.map(\.scope) == [.group(two), .group(one), .agent])
        #expect(node.running.map(\.version) == [6, 5, 1])
        // The state survives as bytes.
        let bytes = node.durable.encoded()
        #expect((try? ControlState(decoding: bytes)) == node.durable)
        // It leaves a group: what that said is gone.
        node.deliver(ControlNode.manifest(2, .good) { $0.groups = [one] })
        node.live(milliseconds: 200_000)
        #expect(node.running.map(\.scope) == [.group(one), .agent])
        node.deliver(ControlNode.manifest(7, .good, scope: .group(two)))
        node.live(milliseconds: 200_000)
        #expect(node.running.map(\.version) == [5, 2])
        // A change of membership that is taken back takes the group's waiting manifest with it.
        node.deliver(ControlNode.manifest(3, .unacknowledged) { $0.groups = [one, two] })
        node.deliver(ControlNode.manifest(8, .good, scope: .group(two)))
        node.live(milliseconds: 400_000)
        #expect(node.running.map(\.version) == [5, 2])
        #expect(node.machine.state.attempt == nil)
    }

    @Test("baking needs an acknowledgement on a connection made after the change")
    func freshConnection() {
        var node = ControlNode()
        node.handle(.connected)
        node.handle(.acknowledged)
        node.deliver(ControlNode.manifest(1, .good))
        // Only what comes after the reconnection counts.
        node.handle(.acknowledged)
        node.now += 119_000
        node.handle(.tick)
        #expect(node.machine.state.attempt != nil)
        node.now += 2000
        node.handle(.tick)
        #expect(node.reports.last?.step == .reverted)
    }
}
