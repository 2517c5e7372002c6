import Ingest
import RuntimeSupport
import Sealing
import Telemetry
import TestSupport
import Testing
import WireFormat

/// Random traffic, failing commits and restarts against what must hold whatever happens.
@Suite("ingest against its invariants", .serialized, .ownThread)
struct IngestModelTests {
    @Test(
        "random traffic with failed commits and restarts keeps every promise", arguments: 1...12 as ClosedRange<UInt64>)
    func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let bench = try IngestBench()
        let agents = (1...3).map { bench.agent("edge-\($0)") }
        var payloads: [[(payload: [UInt8], route: BatchRoute)]] = []
        for agent in agents {
            try agent.connect()
            payloads.append(try traffic(of: agent, &generator))
        }
        for step in 0..<400 {
            let index = Int.random(in: 0..<agents.count, using: &generator)
            // Mostly forward, now and then something from anywhere.
            let near = min(payloads[index].count - 1, step / 6 + Int.random(in: 0...4, using: &generator))
            let chosen =
                Int.random(in: 0..<5, using: &generator) == 0
                ? Int.random(in: 0..<payloads[index].count, using: &generator) : near
            agents[index].send(payloads[index][chosen].payload, route: payloads[index][chosen].route)
            switch Int.random(in: 0..<40, using: &generator) {
            case 0:
                bench.store.failures = 2
                bench.store.isOutcomeUnknown = .random(using: &generator)
            case 1: try bench.restart()
            case 2...12: bench.turn()
            default: break
            }
            check(bench, agents, seed)
        }
        // Faults off: everything again until all of it is settled.
        bench.store.failures = 0
        for (agent, list) in zip(agents, payloads) {
            for entry in list { agent.send(entry.payload, route: entry.route) }
        }
        bench.turn()
        check(bench, agents, seed)
        for agent in agents {
            let live = try #require(bench.lane(agent))
            #expect(live.settled.contiguous == 60 && live.settled.ranges.isEmpty, "seed \(seed)")
            #expect(live.counts.total == LedgerCount(batches: 60, records: 180), "seed \(seed)")
        }
    }

    /// Live sequences 1...60 of three records each: events, some of them malformed, some of them also lost.
    private func traffic(
        of agent: TestAgent, _ generator: inout SeededGenerator
    ) throws -> [(payload: [UInt8], route: BatchRoute)] {
        var list: [(payload: [UInt8], route: BatchRoute)] = []
        var losses: UInt64 = 0
        var sequence: UInt64 = 1
        while sequence <= 60 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0:
                list.append((try agent.seal(.events, sequence, body: [150]), .live))
            case 1:
                let last = min(60, sequence + UInt64.random(in: 0...3, using: &generator))
                losses += 1
                let count = LedgerCount(batches: last - sequence + 1, records: 3 * (last - sequence + 1))
                let record = LossRecord(
                    laneKey: LaneKey(epoch: agent.epoch, lane: .live), sequences: sequence...last, count: count,
                    reason: .bufferFull)
                list.append((try agent.loss(losses, [record]), .alert))
                // Some of the rows given up had arrived after all.
                for lost in sequence...last where Bool.random(using: &generator) {
                    list.append((try agent.events(lost), .live))
                }
                sequence = last
            default: list.append((try agent.events(sequence), .live))
            }
            sequence += 1
        }
        return list
    }

    private func check(_ bench: IngestBench, _ agents: [TestAgent], _ seed: UInt64) {
        for state in bench.ingest.ledger() {
            #expect(state.settled.count == state.counts.total.batches, "seed \(seed)")
        }
        for (agent, acknowledgement) in bench.acknowledgements.suffix(4) {
            for settled in acknowledgement.settled {
                let key = "\(agent) \(settled.laneKey.epoch) \(settled.laneKey.lane)"
                let durable = bench.store.dedup[key]?.settled ?? SequenceSet()
                #expect(durable.contiguous >= settled.contiguous, "seed \(seed)")
                for range in settled.ranges {
                    #expect(durable.count(within: range) == range.upperBound - range.lowerBound + 1, "seed \(seed)")
                }
            }
        }
        for agent in agents {
            let key = "\(agent.id) \(agent.epoch) \(Lane.live)"
            let durable = bench.store.dedup[key]?.counts.committed.batches ?? 0
            #expect(UInt64(bench.store.blocks[agent.id.rawValue]?.count ?? 0) == durable, "seed \(seed)")
        }
    }
}
