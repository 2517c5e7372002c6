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

    @Test("an agent that is no relay hands nothing on, and nobody tables or losses")
    func refused() throws {
        let (bench, agent) = try relay(isRelay: false)
        try agent.connect()
        agent.send(try relayed(agent, 1))
        bench.turn()
        #expect(bench.lane(agent)?.counts[.malformed].batches == 1 && bench.store.blockCount == 0)
        #expect(bench.store.parked.first?.detail.contains("no relay") == true)
        let (other, handing) = try relay()
        try handing.connect()
        handing.send(try handing.seal(.loss, 1, flags: .relayed, body: [3]))
        other.turn()
        #expect(other.lane(handing)?.counts[.malformed].batches == 1)
    }

    @Test("events, findings with whose they are and families are committed, whatever the relay's clock says")
    func kinds() throws {
        let (bench, agent) = try relay()
        agent.isClockSynchronized = false
        try agent.connect()
        let long = bench.time.now.advanced(byMilliseconds: -86_400_000)
        agent.send(try agent.seal(.events, 1, flags: .relayed, body: [3]))
        agent.clockOffsetMilliseconds = 3_600_000
        var finding = Finding(
            id: ID128(high: 0, low: 1), group: "cpu", since: long, score: 1, peakAt: long, anomalousCount: 1)
        // Without a source it would be the relay's own, as with one it is not.
        agent.send(try agent.seal(.findings, 2, records: 1, flags: .relayed, body: FindingBlock.encode([finding])))
        finding.source = Finding.Source(node: AgentID(unchecked: "edge-1"))
        let body = FindingBlock.encode([finding])
        agent.send(try agent.seal(.findings, 3, records: 1, flags: .relayed, body: body))
        agent.send(try agent.seal(.findings, 4, records: 1, body: body))
        let family = try #require(MetricMetadata(name: "m", type: .gauge, unit: "s", help: "How long."))
        agent.send(try agent.seal(.metadata, 5, records: 1, flags: .relayed, body: MetadataBlock.encode([family])))
        bench.turn()
        let counts = try #require(bench.lane(agent)?.counts)
        #expect(counts.committed == LedgerCount(batches: 3, records: 5) && counts.quarantined.batches == 0)
        #expect(counts[.malformed].batches == 2)
    }
}
