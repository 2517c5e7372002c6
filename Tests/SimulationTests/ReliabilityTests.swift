import Buffer
import Ingest
import MQTT
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

/// The rows of RELIABILITY.md that a simulation can replay, each with a fixed plan. Every test ends with the whole
/// check: balanced ledgers, exports as produced.
@Suite("Reliability rows, simulated", .serialized, .ownThread)
struct ReliabilityTests {
    private static let second: Int64 = 1000
    private static let minute: Int64 = 60_000
    private static let hour: Int64 = 3_600_000

    private func simulation(
        agents: Int = 3, milliseconds: Int64 = 2 * minute, change: (inout SimulationPlan) -> Void = { _ in }
    ) throws -> Simulation {
        var plan = SimulationPlan.calm(seed: 1, agents: agents, milliseconds: milliseconds)
        change(&plan)
        return try Simulation(plan)
    }

    private func dropped(_ agent: SimulatedAgent) -> LedgerCount {
        (agent.buffer?.ledger() ?? []).reduce(LedgerCount()) { $0 + $1.droppedTotal }
    }
    private func pending(_ agent: SimulatedAgent) -> UInt64 {
        (agent.buffer?.ledger() ?? []).reduce(0) { $0 + $1.pending.batches }
    }
    private func losses(_ simulation: Simulation) -> [LossRecord] {
        simulation.aggregator.audit.losses.values.flatMap { $0 }
    }

    @Test("R1: broker down for an hour, agents killed three times: nothing sequenced is lost")
    func killedInAnOutage() throws {
        let simulation = try simulation(milliseconds: 70 * Self.minute) { plan in
            plan.add(.crashBroker(downMilliseconds: Self.hour, losesState: true), at: Self.minute)
            for agent in 0..<plan.agentCount {
                for minute in [10, 25, 45] as [Int64] {
                    plan.add(
                        .die(agent: agent, .killed, downMilliseconds: 5 * Self.second),
                        at: minute * Self.minute + Int64(agent) * 777)
                }
            }
        }
        for agent in simulation.agents {
            agent.configuration.bytesMax = 64 << 20
            agent.submissionShare = 0.02
        }
        try simulation.run(until: simulation.plan.faultMilliseconds)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
        #expect(simulation.agents.allSatisfy { $0.lives == 5 })
        #expect(losses(simulation).isEmpty)
        #expect(simulation.agents.allSatisfy { $0.oracle.torn.isEmpty && $0.oracle.sequenced.count > 700 })
    }

    @Test("R2: an outage longer than the buffer loses the oldest rows only, exactly counted")
    func outageBeyondTheBuffer() throws {
        let simulation = try simulation(agents: 1, milliseconds: 90 * Self.minute) { plan in
            plan.add(.crashBroker(downMilliseconds: 80 * Self.minute, losesState: true), at: Self.minute)
        }
        let agent = simulation.agents[0]
        agent.flushMilliseconds = 1000
        agent.submissionShare = 0.5
        try simulation.run(until: 80 * Self.minute)
        // What is left is the newest: no row is missing between the oldest of them and the next to come.
        let live = try #require(try agent.buffer?.laneStates(max: 2).first { $0.laneKey.lane == .live })
        #expect(live.dropped.batches > 100)
        #expect(live.pending.batches == live.next - live.oldest)
        try simulation.run(until: simulation.plan.faultMilliseconds)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
        let declared = losses(simulation)
        #expect(!declared.isEmpty)
        #expect(declared.allSatisfy { $0.reason == .bufferFull })
        let lost = declared.reduce(LedgerCount()) { $0 + $1.count }
        #expect(lost == dropped(agent))
    }

    @Test("R9: every drop has a reason and a count, and the aggregator has both")
    func dropsAreTold() throws {
        let simulation = try simulation(agents: 4, milliseconds: 6 * Self.minute) { plan in
            plan.add(.crashBroker(downMilliseconds: 4 * Self.minute, losesState: true), at: Self.minute)
            for agent in 0..<4 {
                plan.add(.limitDisk(agent: agent, isFull: true), at: 90 * Self.second)
                plan.add(.limitDisk(agent: agent, isFull: false), at: 200 * Self.second)
            }
        }
        let problems = try simulation.runAll()
        #expect(problems.isEmpty, "\(problems)")
        let states = simulation.aggregator.ingest?.ledger() ?? []
        for agent in simulation.agents {
            let here = dropped(agent)
            let there = states.filter { $0.agent == agent.id }
                .reduce(LedgerCount()) { $0 + $1.counts.declaredTotal + $1.counts.contested }
            #expect(here.batches > 0)
            #expect(here == there)
        }
        let stored = try simulation.aggregator.tenant().gaps()
        #expect(stored.allSatisfy { if case .declared(.diskFull) = $0.reason { true } else { false } })
        #expect(Set(stored.map(\.agent)).count == 4)
    }

    @Test("R10: only the aggregator's acknowledgement frees a row, whatever the broker says")
    func brokerAloneFreesNothing() throws {
        let simulation = try simulation { plan in
            plan.add(
                .crashAggregator(.beforeOpening, downMilliseconds: 90 * Self.second, losesKeyRecords: false), at: 0)
        }
        try simulation.run(until: Self.minute)
        #expect(simulation.broker.counters.published > 0)
        for agent in simulation.agents {
            let produced = (agent.buffer?.ledger() ?? []).reduce(0) { $0 + $1.produced.batches }
            #expect(produced > 0 && pending(agent) == produced)
        }
        try simulation.run(until: simulation.plan.faultMilliseconds)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
        #expect(losses(simulation).isEmpty)
    }

    @Test("R12: a broker killed after its PUBACK, with all that it held, loses nothing")
    func pubackProvesNothing() throws {
        let simulation = try simulation(milliseconds: 4 * Self.minute) { plan in
            // The aggregator is away, so what the broker took lies in its queue when it dies.
            plan.add(
                .crashAggregator(.beforeOpening, downMilliseconds: 50 * Self.second, losesKeyRecords: false), at: 0)
            plan.add(.crashBroker(downMilliseconds: Self.second, losesState: true), at: 40 * Self.second)
            for time in [100, 130, 160] as [Int64] {
                plan.add(.crashBroker(downMilliseconds: Self.second, losesState: true), at: time * Self.second + 13)
            }
        }
        let problems = try simulation.runAll()
        #expect(problems.isEmpty, "\(problems)")
        #expect(simulation.broker.counters.crashes == 4)
        #expect(losses(simulation).isEmpty)
    }

    // One aggregator, killed; two over one shared store are not simulated, for the embedded store has one writer.
    @Test(
        "R13: an aggregator killed at any point of a batch's way loses nothing and counts nothing twice",
        arguments: SimulatedAggregator.CrashPoint.allCases)
    func aggregatorKilled(point: SimulatedAggregator.CrashPoint) throws {
        let simulation = try simulation(milliseconds: 7 * Self.minute) { plan in
            for time in stride(from: 20 * Self.second, to: 6 * Self.minute, by: Int(20 * Self.second)) {
                plan.add(
                    .crashAggregator(point, downMilliseconds: 3 * Self.second, losesKeyRecords: false), at: time)
            }
        }
        let problems = try simulation.runAll()
        #expect(problems.isEmpty, "\(problems)")
        switch point {
        case .failedCommit, .unknownCommit: break  // no kill
        case .afterDayFile, .afterDeletion, .afterEvents: #expect(simulation.aggregator.kills > 0)
        // Nearly every one of the seventeen met a batch on its way.
        case .beforeOpening, .beforeCommit, .afterCommit, .betweenAcknowledgements:
            #expect(simulation.aggregator.kills > 10)
        }
        #expect(losses(simulation).isEmpty)
    }

    @Test("R14: everything delivered three times counts once")
    func replayed() throws {
        let simulation = try simulation(milliseconds: 3 * Self.minute) { plan in
            plan.broker.duplicateShare = 1
            plan.broker.replayShare = 1
            plan.broker.delayMilliseconds = 1...300
            plan.broker.reorders = true
        }
        simulation.aggregator.keepsHistory = true
        let problems = try simulation.runAll()
        #expect(problems.isEmpty, "\(problems)")
        let counters = simulation.broker.counters
        #expect(counters.duplicated > 100 && counters.replayed > 100)
        #expect(simulation.aggregator.duplicates > 100)
        // The whole history once more, in one go: counts are identical.
        let before = simulation.aggregator.ingest?.ledger().map(\.counts.total)
        try simulation.aggregator.replayAll()
        try simulation.aggregator.replayAll()
        #expect(simulation.aggregator.ingest?.ledger().map(\.counts.total) == before)
        let again = try SimulationCheck(simulation).problems()
        #expect(again.isEmpty, "\(again)")
    }

    @Test("R16: one agent's lanes do not wait for another's, nor a reachable agent for one that is cut off")
    func independent() throws {
        let simulation = try simulation(agents: 4, milliseconds: 5 * Self.minute)
        try simulation.run(until: 10 * Self.second)
        let stuck = simulation.agents[0]
        simulation.broker.faults.partitions = [
            FaultPlan.Partition(
                from: 0, until: 4 * Self.minute, clientPrefix: "sbx-" + stuck.runningEpoch.description)
        ]
        try simulation.run(until: 3 * Self.minute)
        #expect(pending(stuck) > 20)
        for agent in simulation.agents.dropFirst() { #expect(pending(agent) <= 3) }
        try simulation.run(until: 5 * Self.minute)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test("R20: a node that boots in 1970, jumps by an hour and steps back loses nothing, and its skew is known")
    func clocks() throws {
        let simulation = try simulation(agents: 4, milliseconds: 6 * Self.minute) { plan in
            let toThePast = -SimulatedFleet.epochStart.milliseconds
            plan.add(.stepClock(agent: 0, milliseconds: toThePast), at: 0)
            plan.add(.setSynchronized(agent: 0, false), at: 0)
            plan.add(.stepClock(agent: 0, milliseconds: -toThePast), at: 2 * Self.minute)
            plan.add(.setSynchronized(agent: 0, true), at: 2 * Self.minute)
            plan.add(.stepClock(agent: 1, milliseconds: Self.hour), at: Self.minute)
            plan.add(.stepClock(agent: 1, milliseconds: -Self.hour), at: 3 * Self.minute)
            plan.add(.stepClock(agent: 2, milliseconds: -Self.hour), at: Self.minute)
            plan.add(.stepClock(agent: 2, milliseconds: Self.hour), at: 3 * Self.minute)
            plan.add(.stepClock(agent: 3, milliseconds: -30 * Self.second), at: 2 * Self.minute)
        }
        try simulation.run(until: 100 * Self.second)
        let skew = simulation.aggregator.ingest?.fleet(of: simulation.agents[0].id)?.clockSkewMilliseconds ?? 0
        // A broker's certificate is checked at a time that was signed: the node's own says 1970.
        let floor = simulation.agents[0].transport?.options?.tls?.timeFloor ?? .distantPast
        #expect(floor >= SimulatedFleet.epochStart.advanced(byMilliseconds: -86_400_000))
        #expect(skew < -SimulatedFleet.epochStart.milliseconds / 2)
        try simulation.run(until: simulation.plan.faultMilliseconds)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
        #expect(losses(simulation).isEmpty)
        let quarantined =
            simulation.aggregator.audit.committed[simulation.agents[0].id]?.values
            .count { $0.isQuarantined } ?? 0
        #expect(quarantined > 10)
        // No loop: no more connections than the deaths and the end explain.
        #expect(simulation.agents.allSatisfy { $0.connections <= 3 })
        // A clock that came right brings the quarantined samples out, with their time corrected; only those of the
        // flush in which it stepped keep the time that they were given.
        let times = Set(try simulation.exportedTimes(of: simulation.agents[0].id))
        let early = times.filter { $0 < SimulatedFleet.epochStart.milliseconds - 5 * Self.minute }
        #expect(times.count > 300)
        #expect(early.count <= 6)
    }

    @Test("R26: a cloned disk is found out by both signing a challenge; neither's data is mixed up or lost")
    func cloned() throws {
        let simulation = try simulation(agents: 2, milliseconds: 8 * Self.minute)
        try simulation.run(until: Self.minute)
        simulation.add(try simulation.agents[0].clone(number: 9, root: simulation.root, seed: 99))
        try simulation.run(until: 6 * Self.minute)
        let fleet = simulation.aggregator.ingest?.fleet(of: simulation.agents[0].id)
        #expect(fleet?.cloneSeenAt ?? .distantPast > SimulatedFleet.epochStart)
        #expect(simulation.aggregator.ingest?.statistics.clones ?? 0 > 0)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
        #expect(simulation.agents[0].runningEpoch != simulation.agents[2].runningEpoch)
        let other = simulation.aggregator.ingest?.fleet(of: simulation.agents[1].id)
        #expect(other?.cloneSeenAt == .distantPast)
    }

    @Test("R27: a last will that comes late does not make an agent offline")
    func lateWill() throws {
        let simulation = try simulation(agents: 2, milliseconds: 4 * Self.minute)
        try simulation.run(until: Self.minute)
        let agent = simulation.agents[0]
        // The network forgets the old connection later than the agent comes back: its will is still to come.
        let will = try #require(simulation.aggregator.lastState(of: agent.id))
        try simulation.perform(.die(agent: 0, .killed, downMilliseconds: Self.second))
        try simulation.run(until: 100 * Self.second)
        #expect(simulation.aggregator.ingest?.fleet(of: agent.id)?.isOnline == true)
        let stale = ConnectionState(isOnline: false, sessionCounter: will.sessionCounter)
        let topic = AgentTopics(tenant: SimulatedFleet.tenant, agent: agent.id).up(.state)
        simulation.aggregator.inject(topic, stale.encoded())
        try simulation.run(until: 3 * Self.minute)
        #expect(simulation.aggregator.ingest?.fleet(of: agent.id)?.isOnline == true)
        #expect(simulation.aggregator.ingest?.statistics.staleStates ?? 0 > 0)
        // The will of the connection that did end counts, after its grace.
        try simulation.perform(.die(agent: 0, .killed, downMilliseconds: 10 * Self.minute))
        try simulation.run(until: 3 * Self.minute + 20 * Self.second)
        #expect(simulation.aggregator.ingest?.fleet(of: agent.id)?.isOnline == true)
        try simulation.run(until: 4 * Self.minute)
        #expect(simulation.aggregator.ingest?.fleet(of: agent.id)?.isOnline == false)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test("R28: client ids are stable and sessions expire: after deaths and cuts the broker keeps none that is dead")
    func sessions() throws {
        let simulation = try simulation(agents: 6, milliseconds: 10 * Self.minute) { plan in
            plan.add(.crashBroker(downMilliseconds: Self.second, losesState: false), at: 2 * Self.minute)
            for agent in 0..<6 {
                for minute in [4, 5, 6] as [Int64] {
                    plan.add(
                        .die(agent: agent, .killed, downMilliseconds: 3 * Self.second),
                        at: minute * Self.minute + Int64(agent) * 333)
                }
            }
            plan.add(.killAggregator, at: 7 * Self.minute)
        }
        try simulation.run(until: Self.minute)
        let first = simulation.broker.clientIDs
        #expect(first.count == 7)
        // A connection that was cut comes back as the same client.
        try simulation.run(until: 3 * Self.minute)
        #expect(simulation.broker.clientIDs == first)
        try simulation.run(until: simulation.plan.faultMilliseconds)
        let running = simulation.agents.map { "sbx-" + $0.runningEpoch.description }
        #expect(Set(running).isDisjoint(with: first))
        #expect(Set(simulation.broker.clientIDs) == Set(running + ["aggregator"]))
        for agent in simulation.agents {
            let options = try #require(agent.transport?.options)
            #expect(options.cleanStart && options.sessionExpirySeconds == 0)
        }
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test("R32: a restarted aggregator makes nobody send a birth or a table again")
    func noRebirth() throws {
        let simulation = try simulation(agents: 20, milliseconds: 4 * Self.minute)
        // Every series is there early, so that no table is new later.
        for agent in simulation.agents { agent.submissionShare = 0.5 }
        try simulation.run(until: Self.minute)
        let births = simulation.aggregator.births
        let tables = simulation.aggregator.tables
        #expect(births == 20 && tables >= 20)
        try simulation.perform(.killAggregator)
        try simulation.run(until: 4 * Self.minute)
        #expect(simulation.aggregator.kills == 1)
        #expect(simulation.aggregator.births == births)
        #expect(simulation.aggregator.tables == tables)
        let problems = try simulation.settle()
        #expect(problems.isEmpty, "\(problems)")
    }
}
