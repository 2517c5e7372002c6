import Ingest
import RuntimeSupport
import Sealing
import Telemetry
import Testing
import WireFormat

@Suite("declared losses")
struct LossTests {
    private func record(
        _ agent: TestAgent, _ range: ClosedRange<UInt64>, records: UInt64? = nil, batches: UInt64? = nil
    ) -> LossRecord {
        let length = range.upperBound - range.lowerBound + 1
        return LossRecord(
            laneKey: LaneKey(epoch: agent.epoch, lane: .live), sequences: range,
            count: LedgerCount(batches: batches ?? length, records: records ?? length * 3), reason: .bufferFull)
    }

    @Test("a declared loss makes the sequences contiguous and balances the ledger")
    func declared() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        agent.send(try agent.events(1))
        agent.send(try agent.events(5))
        agent.send(try agent.loss(1, [record(agent, 2...4)]), route: .alert)
        let acknowledgement = try #require(bench.turn().last)
        let contiguous = Dictionary(
            uniqueKeysWithValues: acknowledgement.settled.map { ($0.laneKey.lane, $0.contiguous) })
        #expect(contiguous == [.live: 5, .alert: 1])
        let live = try #require(bench.lane(agent))
        #expect(live.counts[.bufferFull] == LedgerCount(batches: 3, records: 9))
        #expect(live.counts.total == LedgerCount(batches: 5, records: 15))
        #expect(bench.store.losses.map(\.counted) == [LedgerCount(batches: 3, records: 9)])
    }

    @Test("the first record of a sequence wins, either way round, and the difference is exact")
    func race() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        agent.send(try agent.events(2, count: 7))
        bench.turn()
        agent.send(try agent.events(3, count: 5))
        agent.send(try agent.loss(1, [record(agent, 1...4, records: 20)]), route: .alert)
        agent.send(try agent.events(1))
        bench.turn()
        let live = try #require(bench.lane(agent))
        #expect(live.counts.committed == LedgerCount(batches: 2, records: 12))
        #expect(live.counts[.bufferFull] == LedgerCount(batches: 2, records: 8))
        #expect(live.counts.contested == LedgerCount(batches: 2, records: 12))
        #expect(live.counts.duplicates == 1)
        #expect(live.settled.contiguous == 4 && live.settled.count == live.counts.total.batches)
    }

    @Test("the share of contested records is exact beyond what a float64 holds")
    func largeShare() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        agent.send(try agent.events(2))
        agent.send(try agent.events(3))
        bench.turn()
        // Three batches of a range of four, two of which had arrived: one of the three is contested.
        let records: UInt64 = (1 << 62) + 1
        agent.send(try agent.loss(1, [record(agent, 1...4, records: records, batches: 3)]), route: .alert)
        bench.turn()
        let live = try #require(bench.lane(agent))
        #expect(live.counts.contested == LedgerCount(batches: 1, records: records / 3))
        #expect(live.counts[.bufferFull].records == records - live.counts.contested.records)
    }

    @Test("a range with settled holes counts only what was given up")
    func holes() throws {
        let bench = try IngestBench()
        let agent = bench.agent()
        try agent.connect()
        agent.send(try agent.events(3))
        agent.send(try agent.loss(1, [record(agent, 2...4, records: 6, batches: 2)]), route: .alert)
        bench.turn()
        let live = try #require(bench.lane(agent))
        #expect(live.counts[.bufferFull] == LedgerCount(batches: 2, records: 6))
        #expect(live.counts.contested == LedgerCount())
    }

    @Test("losses of older epochs travel in the running one")
    func otherEpoch() throws {
        let bench = try IngestBench()
        let old = bench.agent()
        try old.connect()
        let running = old.again(epoch: 2)
        try running.connect()
        running.send(try running.loss(1, [record(old, 1...1_000_000)]), route: .alert)
        bench.turn()
        #expect(bench.lane(old)?.settled.contiguous == 1_000_000)
        #expect(bench.lane(old)?.counts[.bufferFull].batches == 1_000_000)
    }
}
