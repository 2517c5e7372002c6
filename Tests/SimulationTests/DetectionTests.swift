import MQTT
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

/// What a node that is cut off finds strange about itself: told once, in order, with its own times, and joined with what
/// the centre concluded meanwhile.
@Suite("Detection, simulated", .serialized, .ownThread)
struct DetectionTests {
    private static let second: Int64 = 1000
    private static let minute: Int64 = 60_000
    private static let all = FindingQuery(range: Timestamp(milliseconds: 0)...Timestamp(seconds: 4_000_000_000))
    /// When a series jumps, from and until which minute: twice the same, with everything learnt and nobody to tell.
    private static let faults: [Range<Int64>] = [34..<36, 44..<46]

    private func at(_ minute: Int64, _ second: Int64 = 0) -> Timestamp {
        SimulatedFleet.epochStart.advanced(byMilliseconds: minute * Self.minute + second * Self.second)
    }

    /// What the centre says of a node whose minutes 29 and 30 were strange among its peers', and which then was silent.
    private func fleet(_ id: UInt64, group: String) -> Finding {
        Finding(
            id: ID128(high: 7, low: id), group: group, since: at(29), until: at(31), score: 0.6, peakAt: at(30),
            anomalousCount: 4, contributors: [Finding.Contributor(key: SeriesKey(name: "sim_series_0"), share: 1)])
    }

    /// As they travel: scores and shares are rounded there, and a shape with a gap is not equal to itself.
    private func bytes(_ findings: [Finding]) -> [[UInt8]] { findings.map { FindingBlock.encode([$0]) } }

    /// Cut off from minute 32 to 52, stopped in minute 40 and killed in minute 45, amid the second fault.
    private func simulation() throws -> Simulation {
        var plan = SimulationPlan.calm(seed: 5, agents: 1, milliseconds: 55 * Self.minute)
        plan.add(.crashBroker(downMilliseconds: 20 * Self.minute, losesState: true), at: 32 * Self.minute)
        plan.add(.die(agent: 0, .stopped, downMilliseconds: 5 * Self.second), at: 40 * Self.minute)
        plan.add(.die(agent: 0, .killed, downMilliseconds: 5 * Self.second), at: 45 * Self.minute)
        let simulation = try Simulation(plan)
        let start = at(0).milliseconds
        simulation.agents[0].fault = { series, at in
            let isFaulty = Self.faults.contains { $0.contains((at - start) / Self.minute) }
            return series == 0 && isFaulty ? 1e9 + 0.125 : 0
        }
        return simulation
    }

    @Test("cut off, stopped and killed: what was found arrives once, in order, with its times, and joins the centre's")
    func offline() throws {
        let simulation = try simulation()
        let (agent, aggregator) = (simulation.agents[0], simulation.aggregator)
        try simulation.run(until: 50 * Self.minute)
        let told = agent.told.filter { $0.group == "metric" }
        try #require(told.count == 4, "\(told)")
        for (reports, fault) in zip([told[..<2], told[2...]], Self.faults) {
            let (opened, closed) = (reports[reports.startIndex], reports[reports.startIndex + 1])
            #expect(opened.id == closed.id && opened.since == closed.since && opened.until == nil)
            #expect(opened.since > at(fault.lowerBound) && opened.since <= at(fault.lowerBound, 60))
            #expect(opened.contributors.first?.key.name == "sim_series_0")
            let until = try #require(closed.until)
            #expect(until >= opened.since && until < at(fault.upperBound + 2))
        }
        #expect(told[0].id != told[2].id)
        // Nobody has heard of them; the centre has drawn its own conclusions, one of another group.
        #expect((aggregator.audit.findings[agent.id] ?? []).allSatisfy { $0.group != "metric" })
        try aggregator.tenant().put(fleet: [
            (agent.id, fleet(1, group: "metric")), (agent.id, fleet(2, group: "disk")),
        ])

        try simulation.run(until: simulation.plan.faultMilliseconds)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
        // Each report once, and all in their order.
        #expect(bytes(aggregator.audit.findings[agent.id] ?? []) == bytes(agent.told))
        let stored = try aggregator.tenant().findings(Self.all)
        let own = stored.filter { $0.origin == .node && $0.finding.group == "metric" }
        // The newest first, each as the node told it last.
        #expect(bytes(own.map(\.finding)) == bytes([told[3], told[1]]))
        #expect(own.map { $0.fleet.map(\.id.low) } == [[], [1]])
        #expect(stored.filter { $0.origin == .fleet }.map(\.finding.id.low) == [2])
    }
}
