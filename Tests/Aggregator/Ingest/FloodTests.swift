import Ingest
import RuntimeSupport
import Telemetry
import Testing
import WireFormat

/// Many agents that send everything again and again, and openers that manage a fraction of what comes.
@Suite("floods")
struct FloodTests {
    private static let tickMilliseconds: Int64 = 10
    /// What openers and writer get done per tick.
    private static let servedPerTick = 64

    /// Agents behind the gate, and when each new batch was first sent.
    private final class Fleet {
        let bench: IngestBench
        var agents: [TestAgent] = []
        var payloads: [[[UInt8]]] = []
        var sentAt: [[Timestamp]] = []
        var acknowledged: [Int] = []
        var acknowledgements: [Int] = []
        var slowest: Int64 = 0
        var deepest = 0

        init(_ count: Int) throws {
            bench = try IngestBench()
            for number in 0..<count {
                let agent = bench.agent("edge-\(number)", epoch: UInt64(number + 1))
                try agent.connect()
                agents.append(agent)
            }
            payloads = Array(repeating: [], count: count)
            sentAt = Array(repeating: [], count: count)
            acknowledged = Array(repeating: 0, count: count)
            acknowledgements = Array(repeating: 0, count: count)
            bench.turn()
        }

        func publish(_ payload: [UInt8], _ agent: Int) {
            let topics = AgentTopics(tenant: IngestBench.tenant, agent: agents[agent].id)
            _ = bench.gate.receive(topic: topics.up(.batch(.live)), payload: payload)
        }

        func publishNew(_ agent: Int) throws {
            let payload = try agents[agent].metrics(UInt64(payloads[agent].count + 1))
            payloads[agent].append(payload)
            sentAt[agent].append(bench.time.now)
            publish(payload, agent)
        }

        func tick() throws {
            deepest = max(deepest, bench.gate.depth(of: IngestBench.tenant).items)
            for message in bench.gate.pop(max: FloodTests.servedPerTick, waitMilliseconds: 0)
            where !bench.gate.answers(message) {
                let opened = bench.opener.open(topic: message.topic, payload: message.payload, now: bench.time.now)
                if let opened { bench.ingest.receive(opened, now: bench.time.now) }
            }
            if let commit = bench.ingest.prepareCommit(now: bench.time.now) {
                try bench.store.commit(commit, of: IngestBench.tenant)
                bench.ingest.committed(commit.number)
            }
            for (id, acknowledgement) in bench.ingest.acknowledgements(now: bench.time.now) {
                guard let agent = agents.firstIndex(where: { $0.id == id }) else { continue }
                acknowledgements[agent] += 1
                for settled in acknowledgement.settled where settled.laneKey.lane == .live {
                    while acknowledged[agent] < Int(settled.contiguous) {
                        slowest = max(
                            slowest, bench.time.now.milliseconds(since: sentAt[agent][acknowledged[agent]]))
                        acknowledged[agent] += 1
                    }
                }
            }
            bench.time.advance(milliseconds: FloodTests.tickMilliseconds)
        }
    }

    @Test("under repetitions at full rate from every agent each new batch is acknowledged within half a second")
    func repetitions() throws {
        let fleet = try Fleet(48)
        for round in 0..<300 {
            for agent in fleet.agents.indices {
                // Twenty times of what is served, of everything the agent ever sent.
                for repetition in 0..<26 where !fleet.payloads[agent].isEmpty {
                    fleet.publish(fleet.payloads[agent][repetition % fleet.payloads[agent].count], agent)
                }
                if round < 250, (round + agent) % 10 == 0 { try fleet.publishNew(agent) }
            }
            try fleet.tick()
        }
        #expect(fleet.acknowledged == fleet.payloads.map(\.count))
        #expect(fleet.payloads.allSatisfy { $0.count == 25 })
        #expect(fleet.slowest <= 500)
        #expect(fleet.deepest <= 4096)
        // Coalesced: 3 s at one per 250 ms and lane.
        #expect(fleet.acknowledgements.allSatisfy { $0 <= 16 })
        #expect(fleet.bench.store.repeatedBlocks == 0)
        let counts = try #require(fleet.bench.lane(fleet.agents[0])).counts
        #expect(counts.duplicates > 7000 && counts.committed.batches == 25)
    }

    @Test("an agent that floods with what never settles delays nobody else")
    func garbage() throws {
        let fleet = try Fleet(48)
        var garbage = try fleet.agents[0].metrics(9)
        garbage[garbage.count - 1] ^= 1
        for round in 0..<200 {
            for _ in 0..<2000 { fleet.publish(garbage, 0) }
            for agent in 1..<48 where round < 150 && (round + agent) % 10 == 0 { try fleet.publishNew(agent) }
            try fleet.tick()
        }
        #expect(fleet.acknowledged.dropFirst() == fleet.payloads.map(\.count).dropFirst())
        #expect(fleet.slowest <= 500)
        #expect(fleet.bench.gate.depth(of: IngestBench.tenant).refused > 100_000)
    }
}
