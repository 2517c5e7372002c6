import Buffer
import Glibc
import MQTT
import RuntimeSupport
import Telemetry
import TestSupport
import WireFormat

/// Many agents, a broker and an aggregator in one thread and in virtual time; the same plan makes the same run.
final class Simulation {
    let plan: SimulationPlan
    let trace = Trace()
    let broker: FakeBroker
    let fleet: SimulatedFleet
    let aggregator: SimulatedAggregator
    private(set) var agents: [SimulatedAgent] = []
    private(set) var now: Int64 = 0
    let root: String
    private var actions: [(at: Int64, action: SimulationPlan.Action)]

    init(_ plan: SimulationPlan) throws {
        self.plan = plan
        root = try Self.makeRoot()
        broker = FakeBroker(
            faults: plan.broker,
            limits: ConnectionLimits(receiveMaximum: 1000, maximumPacketSizeBytes: 1 << 20))
        fleet = try SimulatedFleet(seed: plan.seed)
        aggregator = try SimulatedAggregator(
            fleet: fleet, broker: broker, root: root, seed: plan.seed &+ 1, trace: trace)
        actions = plan.actions.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }
            .map(\.element)
        for number in 0..<plan.agentCount {
            agents.append(
                try SimulatedAgent(
                    number: number, fleet: fleet, broker: broker, root: root,
                    seed: plan.seed &* 1000 &+ UInt64(number) &+ 10, trace: trace))
        }
    }

    deinit { FileImage.removeTree(root) }

    private static func makeRoot() throws -> String {
        let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(base)/stagebox-simulation-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Another agent beside those of the plan.
    func add(_ agent: SimulatedAgent) { agents.append(agent) }

    /// The faults, then quiet.
    /// - Returns: what did not hold; empty when all did.
    func runAll() throws -> [String] {
        try run(until: plan.faultMilliseconds)
        return try settle()
    }

    /// Ends the faults and the sources, runs until nothing waits, and checks.
    func settle() throws -> [String] {
        try calm()
        guard try runUntilQuiet() else { return ["not quiet: " + waiting().joined(separator: ", ")] }
        return try SimulationCheck(self).problems()
    }

    func calm() throws {
        broker.faults.until = min(broker.faults.until, now)
        broker.faults.partitions = []
        actions = []
        try aggregator.calm()
        for agent in agents {
            agent.isProducing = false
            try agent.limitDisk(false)
            // What the agent derives from events never ends; a start without events derives nothing.
            try agent.die(.stopped, downMilliseconds: 3000)
        }
    }

    func runUntilQuiet() throws -> Bool {
        let end = now + plan.quietMilliseconds
        while now < end {
            try run(until: now + 10_000)
            // Twice, so that what the last flush produced is seen too.
            if agents.allSatisfy(\.isQuiet), aggregator.ingest != nil {
                try run(until: now + 15_000)
                if agents.allSatisfy(\.isQuiet) { return true }
            }
        }
        return false
    }

    /// The times of all samples that the store gives out of an agent, milliseconds.
    func exportedTimes(of agent: AgentID) throws -> [Int64] {
        (try SimulationCheck(self).exportedSamples()[agent] ?? [:]).values.flatMap(\.keys)
    }

    private func waiting() -> [String] {
        agents.filter { !$0.isQuiet }.map { agent in
            let lanes = (agent.buffer?.ledger() ?? []).filter { $0.pending.batches > 0 }
                .map { "\($0.laneKey) pending \($0.pending.batches) next \($0.next)" }
            let missing = (agent.buffer.flatMap { try? $0.oldestPending(lane: .live, limit: 1) } ?? []).flatMap { row in
                ((try? agent.buffer?.names(row.row)) ?? []).map { name in
                    "\(name) \(((try? agent.buffer?.auxiliary(name)) ?? nil) != nil)"
                }
            }
            return "\(missing) \(agent.id) running \(agent.isRunning) \(lanes) \(agent.reports.suffix(3))"
        }
    }

    func run(until end: Int64) throws {
        while true {
            try perform()
            broker.run(until: now)
            for agent in agents { try agent.step(now: now) }
            try aggregator.step(now: now)
            guard now < end else { return }
            now = min(end, max(now + 2, nextTime))
        }
    }

    private var nextTime: Int64 {
        var next = min(aggregator.nextDeadline, actions.first?.at ?? .max, broker.nextEventAt ?? .max)
        for agent in agents { next = min(next, agent.nextDeadline) }
        // Ten milliseconds are one step: fewer turns, the same order of things.
        return (next + 9) / 10 * 10
    }

    private func perform() throws {
        while let (at, action) = actions.first, at <= now {
            actions.removeFirst()
            try perform(action)
        }
    }

    func perform(_ action: SimulationPlan.Action) throws {
        switch action {
        case .snapshot(let agent): agents[agent].snapshot()
        case .die(let agent, let death, let down): try agents[agent].die(death, downMilliseconds: down)
        case .limitDisk(let agent, let isFull): try agents[agent].limitDisk(isFull)
        case .stepClock(let agent, let milliseconds): agents[agent].clock.step(milliseconds)
        case .setSynchronized(let agent, let isSynchronized): agents[agent].clock.isSynchronized = isSynchronized
        case .crashAggregator(let point, let down, let losesKeyRecords):
            aggregator.crashPoint = point
            aggregator.downMilliseconds = down
            aggregator.losesKeyRecords = losesKeyRecords
        case .killAggregator: try aggregator.kill()
        case .crashBroker(let down, let losesState): broker.crash(downMilliseconds: down, losesState: losesState)
        case .partition(let partition): broker.faults.partitions.append(partition)
        }
    }
}
