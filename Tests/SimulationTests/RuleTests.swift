import LocalRules
import MQTT
import Store
import Telemetry
import TestSupport
import Testing

/// Local rules of a node that is cut off: what they find reaches the store once, in order, with its own times.
@Suite("Local rules, simulated", .serialized, .ownThread)
struct RuleTests {
    private static let second: Int64 = 1000
    private static let minute: Int64 = 60_000

    /// `sim_series_0` of agent 0 is 16 a second, grows for good, and goes on over restarts.
    private func rules() throws -> [String: LocalRule] {
        var rules: [String: LocalRule] = [:]
        for index in 1...4 {
            let below = "below-\(index)"
            rules[below] = try LocalRule(name: below, "sim_series_0 < \(16 * 70 * index) for \(index)s")
            let above = "above-\(index)"
            rules[above] = try LocalRule(name: above, "sim_series_0 >= \(16 * 75 * index) for 3s severity critical")
        }
        return rules
    }

    @Test("cut off for ten minutes and killed twice: each finding arrives once, in order, with its original times")
    func offline() throws {
        var plan = SimulationPlan.calm(seed: 3, agents: 1, milliseconds: 12 * Self.minute)
        plan.add(.crashBroker(downMilliseconds: 10 * Self.minute, losesState: true), at: 40 * Self.second)
        plan.add(.die(agent: 0, .killed, downMilliseconds: 5 * Self.second), at: 120 * Self.second)
        plan.add(.die(agent: 0, .killed, downMilliseconds: 5 * Self.second), at: 260 * Self.second)
        let simulation = try Simulation(plan)
        let agent = simulation.agents[0]
        agent.rules = try rules()
        let begin = SimulatedFleet.epochStart.milliseconds
        try simulation.run(until: 10 * Self.minute)
        // By itself, without anybody to talk to.
        let told = agent.told
        #expect(Set(told.map(\.id)).count == 8 && told.count == 12)
        for index in 1...4 {
            let below = told.filter { $0.rule?.name == "below-\(index)" }
            #expect(below.count == 2 && below[0].id == below[1].id && below[0].since == below[1].since)
            let above = try #require(told.first { $0.rule?.name == "above-\(index)" })
            #expect(above.until == nil && above.rule?.severity == .critical)
            // Ticks are seconds while the agent runs; twice it was away for five.
            let at = above.since.milliseconds - begin
            #expect(at > Int64(75 * index - 2) * Self.second && at <= Int64(75 * index + 15) * Self.second)
        }
        let early = simulation.aggregator.audit.findings[agent.id] ?? []
        #expect(early.count == 4)
        try simulation.run(until: simulation.plan.faultMilliseconds)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
        // Each report once, and all in their order.
        #expect(simulation.aggregator.audit.findings[agent.id] ?? [] == agent.told)
        let stored = try simulation.aggregator.tenant().findings(
            FindingQuery(range: Timestamp(milliseconds: 0)...Timestamp(seconds: 4_000_000_000)))
        #expect(stored.count == 8)
        for found in stored { #expect(found.finding == agent.told.last { $0.id == found.finding.id }) }
    }

    @Test(
        "a broker that repeats, reorders and loses, an aggregator that is killed: the store ends with what the node said"
    )
    func faults() throws {
        var plan = SimulationPlan.calm(seed: 4, agents: 1, milliseconds: 8 * Self.minute)
        plan.broker.delayMilliseconds = 1...400
        plan.broker.reorders = true
        plan.broker.dropShare = 0.1
        plan.broker.duplicateShare = 0.1
        plan.broker.replayShare = 0.1
        plan.broker.until = plan.faultMilliseconds
        for minute in 1...6 as ClosedRange<Int64> { plan.add(.killAggregator, at: minute * Self.minute) }
        plan.add(.die(agent: 0, .killed, downMilliseconds: 5 * Self.second), at: 200 * Self.second)
        let simulation = try Simulation(plan)
        let agent = simulation.agents[0]
        agent.rules = try rules()
        let problems = try simulation.runAll()
        #expect(problems.isEmpty, "\(problems)")
        let stored = try simulation.aggregator.tenant().findings(
            FindingQuery(range: Timestamp(milliseconds: 0)...Timestamp(seconds: 4_000_000_000)))
        #expect(stored.count == 8)
        for found in stored { #expect(found.finding == agent.told.last { $0.id == found.finding.id }) }
    }
}
