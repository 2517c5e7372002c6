import RuntimeSupport
import Telemetry
import TestSupport
import Testing
import Uplink
import WireFormat

/// Whatever the link does for a while, once it is good everything settles, and no bound was passed.
@Suite("uplink: interleavings", .serialized, .ownThread)
struct UplinkInterleavingTests {
    private enum Step: CaseIterable { case store, storeAlert, cut, connect, takeOne, lieAboutOne, acknowledge, wait }

    private func perform(_ step: Step, on node: inout FakeNode) {
        switch step {
        case .store: node.store(.live, bytes: 40_000)
        case .storeAlert: node.store(.alert, bytes: 30_000)
        case .cut: node.cut()
        case .connect: node.handle(.connected(receiveMaximum: node.receiveMaximum, maximumPacketSizeBytes: 1 << 20))
        case .takeOne: if !node.tickets.isEmpty { node.handle(.published(ticket: node.tickets.removeFirst())) }
        // A PUBACK for something never sent on this connection.
        case .lieAboutOne: if !node.tickets.contains(1) { node.handle(.published(ticket: 1)) }
        case .acknowledge: node.acknowledge()
        case .wait: node.advance(7000)
        }
    }

    /// - Returns: what is wrong, if something is.
    private func finish(_ node: inout FakeNode) -> String? {
        node.brokerTakes = true
        for _ in 0..<400 where !node.rows.isEmpty {
            if !node.machine.isOnline {
                node.reconnect()
            }
            node.puback()
            node.acknowledge()
            node.advance(1000)
        }
        if !node.violations.isEmpty { return node.violations.joined(separator: "; ") }
        if !node.rows.isEmpty { return "\(node.rows.count) rows never settled" }
        let unsettled = Set(node.delivered).subtracting(node.settledByAggregator)
        return unsettled.isEmpty ? nil : "settled without the aggregator: \(unsettled)"
    }

    @Test("all sequences of five steps end settled")
    func enumerate() {
        let steps = Step.allCases
        let count = 5
        var total = 1
        for _ in 0..<count { total *= steps.count }
        for number in 0..<total {
            var node = FakeNode()
            node.receiveMaximum = 3
            node.brokerTakes = false
            node.store(.live)
            var rest = number
            var taken: [Step] = []
            for _ in 0..<count {
                taken.append(steps[rest % steps.count])
                rest /= steps.count
            }
            for step in taken { perform(step, on: &node) }
            if let problem = finish(&node) {
                Issue.record("\(taken): \(problem)")
                return
            }
        }
    }

    @Test("long random sequences end settled", arguments: 0..<60)
    func random(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        var node = FakeNode(seed: UInt64(seed))
        node.brokerTakes = false
        node.receiveMaximum = [1, 2, 20].randomElement(using: &generator) ?? 1
        for _ in 0..<400 {
            perform(Step.allCases.randomElement(using: &generator) ?? .wait, on: &node)
            if node.machine.unacknowledgedBytes > 256 * 1024 + 64 * 1024 + 30_000 { node.violations.append("credit") }
        }
        let problem = finish(&node)
        #expect(problem == nil, "seed \(seed): \(problem ?? "")")
    }

    @Test("the same seed and events give the same actions")
    func deterministic() {
        func run() -> [UplinkAction] {
            var generator = SeededGenerator(seed: 9)
            var node = FakeNode(seed: 9)
            for _ in 0..<300 { perform(Step.allCases.randomElement(using: &generator) ?? .wait, on: &node) }
            return node.actions
        }
        #expect(run() == run())
    }
}
