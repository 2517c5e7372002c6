import Ingest
import RuntimeSupport
import Telemetry
import Testing
import WireFormat

@Suite("what relays hand on")
struct RelayTests {
    private func relay(isRelay: Bool = true) throws -> (bench: IngestBench, agent: TestAgent) {
        let bench = try IngestBench()
        let agent = bench.agent("relay-eu")
        if isRelay {
            var certificate = try #require(
                bench.certificates.certificate(of: agent.id, in: IngestBench.tenant, at: bench.time.now))
            certificate.isRelay = true
            bench.certificates.add(certificate)
        }
        return (bench, agent)
    }
    private func relayed(_ agent: TestAgent, _ sequence: UInt64, last: Timestamp? = nil) throws -> [UInt8] {
        try agent.seal(
            .metrics, sequence, flags: .relayed, last: last,
            body: PlainBodies.metrics([TestAgent.tableHash], series: 4, samples: 3))
    }

    @Test("old samples from a clock that is not synchronised are committed as they are, and prove no clock")
    func clocks() throws {
        let (bench, agent) = try relay()
        agent.isClockSynchronized = false
        agent.clockOffsetMilliseconds = -3_600_000
        try agent.connect()
        agent.send(try relayed(agent, 1, last: bench.time.now.advanced(byMilliseconds: -86_400_000)))
        // Of about now, although the relay's own clock is an hour behind.
        agent.send(try relayed(agent, 2, last: bench.time.now))
        bench.turn()
        #expect(bench.lane(agent)?.counts.committed.batches == 2)
        #expect(bench.lane(agent)?.counts.quarantined.batches == 0)
        agent.send(try agent.metrics(3))
        bench.turn()
        #expect(bench.lane(agent)?.counts.quarantined.batches == 1)
        agent.send(try relayed(agent, 4, last: bench.time.now))
        bench.turn()
        #expect(bench.store.clockReferences.isEmpty)
    }

    @Test("samples of times to come are refused for good: no clock could correct them")
    func ahead() throws {
        let (bench, agent) = try relay()
        try agent.connect()
        agent.send(try relayed(agent, 1, last: bench.time.now.advanced(byMilliseconds: 301_000)))
        agent.send(try relayed(agent, 2, last: bench.time.now.advanced(byMilliseconds: 200_000)))
        bench.turn()
        #expect(bench.lane(agent)?.counts.committed.batches == 1)
        #expect(bench.lane(agent)?.counts[.malformed].batches == 1)
    }

    @Test("an agent that is no relay hands nothing on, and nobody events")
    func refused() throws {
        let (bench, agent) = try relay(isRelay: false)
        try agent.connect()
        agent.send(try relayed(agent, 1))
        bench.turn()
        #expect(bench.lane(agent)?.counts[.malformed].batches == 1 && bench.store.blockCount == 0)
        #expect(bench.store.parked.first?.detail.contains("no relay") == true)
        let (other, handing) = try relay()
        try handing.connect()
        handing.send(try handing.seal(.events, 1, flags: .relayed, body: [3]))
        other.turn()
        #expect(other.lane(handing)?.counts[.malformed].batches == 1)
    }
}
