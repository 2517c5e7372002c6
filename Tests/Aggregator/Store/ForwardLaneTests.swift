import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Findings and events handed on from the store", .serialized, .ownThread) struct ForwardLaneTests {
    private func at(_ second: Int64) -> Timestamp { TestBlocks.start.advanced(byMilliseconds: second * 1000) }

    private func finding(_ id: UInt64, from: Int64, to: Int64? = nil) -> Finding {
        Finding(
            id: ID128(high: 0, low: id), group: "cpu", since: at(from), until: to.map(at), score: 1, peakAt: at(from),
            anomalousCount: 3, contributors: [Finding.Contributor(key: SeriesKey(name: "m"), share: 1)],
            shape: Finding.Shape(start: at(from), stepMilliseconds: 1000, values: [1, 2]))
    }

    private func event(_ number: Int, second: Int64 = 0) -> ListeningEvent {
        ListeningEvent(id: "e\(number)", kind: .play, at: at(second), receivedAt: at(second))
    }

    private func commit(
        _ test: StoreUnderTest, findings: [Finding] = [], events: [ListeningEvent] = [], from agent: TestAgent? = nil
    ) throws {
        test.number += 1
        var commit = IngestCommit(number: test.number, at: test.time.now)
        if let agent { test.agent = agent }
        if !findings.isEmpty { commit.blocks.append(test.agent.findings(findings, at: test.time.now)) }
        if !events.isEmpty { commit.blocks.append(test.agent.events(events, at: test.time.now)) }
        commit.dedup = [test.agent.dedup(through: test.agent.sequence, at: test.time.now)]
        try test.store.commit(commit)
    }

    /// What is told next, and noted as told.
    private func told(_ test: StoreUnderTest, limit: Int = 100) throws -> [Finding] {
        guard let batch = try test.store.forwardFindings(limit: limit) else { return [] }
        try test.store.noteForwarded(batch)
        return batch.findings
    }

    @Test("changes of findings are told in their order, each once, what changed twice as it is now")
    func findings() throws {
        let test = try StoreUnderTest()
        try commit(test, findings: [finding(1, from: 1), finding(2, from: 2, to: 3)])
        #expect(try test.store.forwardFindings(limit: 10) == nil)
        // What is open when it begins is told, what has ended is not.
        try test.store.startForwarding([.findings])
        #expect(try told(test).map(\.id.low) == [1])
        try commit(test, findings: [finding(3, from: 4), finding(4, from: 5)])
        try test.store.put(fleet: [(test.agent.id, finding(101, from: 5))])
        try commit(test, findings: [finding(3, from: 4, to: 6)])
        // Reported once more, but closed already: no change.
        try commit(test, findings: [finding(3, from: 4)])
        test.close()
        try test.reopen()
        try test.store.startForwarding([.findings])
        let first = try told(test, limit: 2)
        #expect(first.map(\.id.low) == [4, 101])
        #expect(
            first.map(\.source) == [
                Finding.Source(node: test.agent.id), Finding.Source(node: test.agent.id, isByPeers: true),
            ])
        // Read, changed, answered: the change is told after it.
        let read = try #require(try test.store.forwardFindings(limit: 2))
        try commit(test, findings: [finding(4, from: 5, to: 9)])
        try test.store.noteForwarded(read)
        #expect(read.findings.map(\.until) == [at(6)] && read.findings[0].shape?.values == [1, 2])
        #expect(try told(test).map(\.until) == [at(9)])
        #expect(try told(test).isEmpty && test.store.forwardFindingCount == 0)
        // Turned off, nothing is noted; on again, what is open is told.
        try test.store.startForwarding([])
        try commit(test, findings: [finding(5, from: 10), finding(6, from: 10, to: 11)])
        try test.store.startForwarding([.findings])
        #expect(try told(test).map(\.id.low) == [1, 101, 5])
        test.close()
    }

    @Test("findings of a relay are kept by node, joined by node, found by node and relay, and handed further on")
    func centre() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding([.findings])
        func handed(_ finding: Finding, _ node: String, byPeers: Bool = false, over relays: [String] = []) -> Finding {
            var finding = finding
            finding.source = Finding.Source(
                node: AgentID(unchecked: node), relays: relays.map { AgentID(unchecked: $0) }, region: "north",
                isByPeers: byPeers)
            return finding
        }
        let relay = TestAgent("relay-eu", seriesCount: 1)
        // Two nodes with one id, as two regions' nodes may have; one of them twice; the fleet's of the other, two names alike.
        try commit(
            test,
            findings: [
                handed(finding(1, from: 1), "edge-1"), handed(finding(1, from: 2), "edge-2"),
                handed(finding(1, from: 2), "edge-2", over: ["relay-se"]),
                handed(finding(101, from: 3), "edge-2", byPeers: true), handed(finding(1, from: 1, to: 9), "edge-1"),
                handed(finding(2, from: 5000), "edge"),
            ], from: relay)
        try commit(test, findings: [finding(1, from: 1)], from: TestAgent("edge-1", seriesCount: 1))
        for _ in 0..<2 {
            var query = FindingQuery(range: at(0)...at(10_000))
            #expect(try test.store.findings(query).count == 5)
            query.agent = AgentID(unchecked: "edge-2")
            let second = try test.store.findings(query)
            #expect(second.map { $0.finding.source?.path } == ["edge-2", "edge-2/relay-se"])
            #expect(second.map { $0.fleet.map(\.id.low) } == [[101], []])
            #expect(second.allSatisfy { $0.relay?.rawValue == "relay-eu" && $0.region == "north" })
            query.agent = AgentID(unchecked: "edge-1")
            #expect(try test.store.findings(query).map(\.relay?.rawValue) == ["relay-eu", nil])
            #expect(try test.store.findings(query).map(\.until) == [at(9), nil])
            query.relay = AgentID(unchecked: "relay-eu")
            #expect(try test.store.findings(query).map(\.agent.rawValue) == ["edge-1"])
            query.relay = AgentID(unchecked: "nobody")
            #expect(try test.store.findings(query).isEmpty)
            query = FindingQuery(range: at(0)...at(10_000), agent: AgentID(unchecked: "relay-eu"))
            #expect(try test.store.findings(query).isEmpty)
            test.close()
            try test.reopen()
        }
        // What the region's comparison found is not this centre's to end.
        #expect(try test.store.openFleetFindings().isEmpty)
        try test.store.startForwarding([.findings])
        let on = try told(test)
        #expect(
            on.map { $0.source?.path } == [
                "edge-2/relay-eu", "edge-2/relay-se/relay-eu", "edge-2/relay-eu", "edge-1/relay-eu", "edge/relay-eu",
                "edge-1",
            ])
        #expect(on.map { $0.source?.isByPeers } == [false, false, true, false, false, false])
        // Eight relays are enough.
        let far = handed(finding(7, from: 1), "edge-1", over: (0..<8).map { "r\($0)" })
        // Another start of the relay: its sequences begin anew.
        try commit(test, findings: [far], from: TestAgent("relay-eu", seriesCount: 1, epoch: 2))
        let dropped = try #require(try test.store.forwardFindings(limit: 10))
        #expect(dropped.findings.isEmpty && dropped.losses == [.relays: 1])
        test.close()
    }

    @Test("events are handed on block by block, whether they wait in level 0 or have moved, over restarts")
    func events() throws {
        let test = try StoreUnderTest()
        try commit(test, events: [event(1)])
        try test.store.startForwarding([.events])
        #expect(try test.store.forwardEvents(eventsMax: 10) == nil)
        try commit(test, events: [event(2), event(3)])
        try commit(test, events: [event(4)])
        // A crash between the move and what is taken out of level 0.
        test.store.faults.stop(at: .afterEvents)
        #expect(throws: StoreFaults.Stopped.self) { try test.drain() }
        test.close()
        try test.reopen()
        #expect(test.store.forwardEventBytes > 0)
        try test.drain()
        try commit(test, events: [event(5), event(1)])
        let first = try #require(try test.store.forwardEvents(eventsMax: 2))
        #expect(first.events.map(\.id) == ["e2", "e3"])
        // Not answered: the same again.
        #expect(try test.store.forwardEvents(eventsMax: 2)?.events.map(\.id) == ["e2", "e3"])
        try test.store.noteForwarded(first)
        try test.drain()
        let rest = try #require(try test.store.forwardEvents(eventsMax: 100))
        #expect(rest.events.map(\.id) == ["e4", "e5", "e1"])
        try test.store.noteForwarded(rest)
        #expect(try test.store.forwardEvents(eventsMax: 2) == nil && test.store.forwardEventBytes == 0)
        #expect(try TestBlocks.events(test.store).count == 5)
        test.close()
    }

    @Test("beyond the bound the oldest events go, counted; turned off, nothing waits")
    func bound() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding([.events])
        for block in 0..<20 {
            try commit(test, events: (0..<20).map { event(block * 20 + $0) })
            try test.drain()
        }
        let bytes = test.store.forwardEventBytes
        try test.store.trimForwardEvents(to: bytes / 2)
        #expect(test.store.forwardEventBytes <= bytes / 2)
        let lost = Int(
            test.stores.metrics.value(
                "stagebox_forward_lost_events_total", "tenant", "acme", "reason", "backlog-full") ?? 0)
        #expect((180...240).contains(lost) && lost % 20 == 0)
        let left = try #require(try test.store.forwardEvents(eventsMax: 1000))
        #expect(left.events.count == 400 - lost && left.events.first?.id == "e\(lost)")
        try test.store.startForwarding([])
        #expect(try test.store.forwardEvents(eventsMax: 10) == nil && test.store.forwardEventBytes == 0)
        test.close()
    }

    @Test("what is said of metric families is kept, the last of several, and outlives a restart")
    func families() throws {
        let test = try StoreUnderTest()
        let told = try #require(MetricMetadata(name: "t", type: .histogram, unit: "s", help: "How long."))
        try test.store.note([told])
        var commit = IngestCommit(number: 1, at: test.time.now)
        let other = try #require(MetricMetadata(name: "up", type: .gauge, unit: "", help: "Whether it is."))
        let changed = try #require(MetricMetadata(name: "t", type: .unknown, unit: "", help: "Duration."))
        var header = test.agent.events([], at: test.time.now).header
        header.kind = .metadata
        commit.blocks = [
            IngestCommit.Block(
                agent: test.agent.id, header: header, body: [], content: .metadata([other, changed]),
                receivedAt: test.time.now)
        ]
        try test.store.commit(commit)
        for _ in 0..<2 {
            #expect(test.store.metricFamilies["up"] == other)
            #expect(
                test.store.metricFamily(of: "t_bucket")
                    == MetricMetadata(name: "t", type: .histogram, unit: "s", help: "Duration."))
            #expect(test.store.metricFamily(of: "t_total") == nil && test.store.metricFamily(of: "x") == nil)
            test.close()
            try test.reopen()
        }
        test.close()
    }
}
