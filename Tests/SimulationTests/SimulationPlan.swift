import MQTT
import RuntimeSupport

/// Everything that goes wrong in one run, decided by its seed.
struct SimulationPlan {
    enum Action {
        case snapshot(agent: Int)
        case die(agent: Int, SimulatedAgent.Death, downMilliseconds: Int64)
        case limitDisk(agent: Int, isFull: Bool)
        case stepClock(agent: Int, milliseconds: Int64)
        case setSynchronized(agent: Int, Bool)
        case crashAggregator(SimulatedAggregator.CrashPoint, downMilliseconds: Int64, losesKeyRecords: Bool)
        case killAggregator
        case crashBroker(downMilliseconds: Int64, losesState: Bool)
        case partition(FaultPlan.Partition)
    }

    var seed: UInt64
    var agentCount = 20
    /// Virtual milliseconds with faults and sources on.
    var faultMilliseconds: Int64 = 240_000
    /// From then until everything has to be quiet.
    var quietMilliseconds: Int64 = 3_600_000
    var broker = FaultPlan.none
    /// By virtual time.
    var actions: [(at: Int64, action: Action)] = []

    /// A run without faults, for tests that add their own.
    static func calm(seed: UInt64, agents: Int, milliseconds: Int64) -> SimulationPlan {
        var plan = SimulationPlan(seed: seed)
        plan.agentCount = agents
        plan.faultMilliseconds = milliseconds
        plan.broker.seed = seed
        return plan
    }

    mutating func add(_ action: Action, at time: Int64) { actions.append((time, action)) }

    static func random(seed: UInt64) -> SimulationPlan {
        var plan = SimulationPlan(seed: seed)
        var generator = SeededGenerator(seed: seed ^ 0x51ab_1e5e_ed00_0001)
        plan.agentCount = Int.random(in: 20...24, using: &generator)
        plan.broker = brokerFaults(seed, plan.faultMilliseconds, &generator)
        for agent in 0..<plan.agentCount {
            plan.addDeaths(of: agent, &generator)
            plan.addClock(of: agent, &generator)
            if generator.chance(0.2) {
                let from = plan.time(&generator)
                plan.add(.limitDisk(agent: agent, isFull: true), at: from)
                plan.add(
                    .limitDisk(agent: agent, isFull: false),
                    at: from + Int64.random(in: 5000...90_000, using: &generator))
            }
        }
        plan.addAggregatorFaults(&generator)
        plan.addNetworkFaults(&generator)
        return plan
    }

    private func time(_ generator: inout SeededGenerator) -> Int64 {
        Int64.random(in: 5000..<faultMilliseconds, using: &generator)
    }

    private static func brokerFaults(
        _ seed: UInt64, _ until: Int64, _ generator: inout SeededGenerator
    ) -> FaultPlan {
        var faults = FaultPlan(seed: seed)
        faults.until = until
        faults.delayMilliseconds = 1...Int64.random(in: 2...400, using: &generator)
        faults.reorders = generator.chance(0.7)
        func share(_ most: Double) -> Double {
            generator.chance(0.7) ? Double.random(in: 0...most, using: &generator) : 0
        }
        faults.dropShare = share(0.15)
        faults.duplicateShare = share(0.15)
        faults.replayShare = share(0.1)
        faults.forgeShare = share(0.1)
        faults.withholdShare = share(0.05)
        faults.withholdMilliseconds = 500...90_000
        faults.pubackLossShare = share(0.01)
        faults.kickShare = share(0.01)
        return faults
    }

    private mutating func addDeaths(of agent: Int, _ generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            let at = time(&generator)
            let down = Int64.random(in: 100...30_000, using: &generator)
            let death: SimulatedAgent.Death
            switch Int.random(in: 0..<10, using: &generator) {
            case 0: death = .stopped
            case 1...5: death = .killed
            case 6, 7, 8:
                death = .torn
                add(.snapshot(agent: agent), at: at - Int64.random(in: 1...5000, using: &generator))
            default: death = .flipped(bits: Int.random(in: 1...100, using: &generator))
            }
            add(.die(agent: agent, death, downMilliseconds: down), at: at)
        }
    }

    private mutating func addClock(of agent: Int, _ generator: inout SeededGenerator) {
        if generator.chance(0.3) {
            add(.stepClock(agent: agent, milliseconds: Int64.random(in: -200_000...200_000, using: &generator)), at: 0)
        }
        if generator.chance(0.1) {
            // An hour off and not synchronised, until some minutes later it is.
            let ahead = Int64.random(in: 400_000...3_600_000, using: &generator) * (generator.chance(0.5) ? 1 : -1)
            add(.stepClock(agent: agent, milliseconds: ahead), at: 0)
            add(.setSynchronized(agent: agent, false), at: 0)
            let at = time(&generator)
            add(.stepClock(agent: agent, milliseconds: -ahead), at: at)
            add(.setSynchronized(agent: agent, true), at: at)
        }
        if generator.chance(0.2) {
            let step = Int64.random(in: -60_000...60_000, using: &generator)
            add(.stepClock(agent: agent, milliseconds: step), at: time(&generator))
        }
    }

    private mutating func addAggregatorFaults(_ generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 2...8, using: &generator) {
            let point = SimulatedAggregator.CrashPoint.allCases.randomElement(using: &generator) ?? .afterCommit
            add(
                .crashAggregator(
                    point, downMilliseconds: Int64.random(in: 100...20_000, using: &generator),
                    losesKeyRecords: generator.chance(0.3)), at: time(&generator))
        }
        if generator.chance(0.5) { add(.killAggregator, at: time(&generator)) }
    }

    private mutating func addNetworkFaults(_ generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 0...2, using: &generator) {
            add(
                .crashBroker(
                    downMilliseconds: Int64.random(in: 100...40_000, using: &generator),
                    losesState: generator.chance(0.5)), at: time(&generator))
        }
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
            let from = time(&generator)
            let until = min(faultMilliseconds, from + Int64.random(in: 1000...120_000, using: &generator))
            let prefix: String
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: prefix = ""
            case 1: prefix = "aggregator"
            default: prefix = "sbx-" + String(UInt8.random(in: 0..<16, using: &generator), radix: 16)
            }
            add(.partition(FaultPlan.Partition(from: from, until: until, clientPrefix: prefix)), at: from)
        }
    }
}
