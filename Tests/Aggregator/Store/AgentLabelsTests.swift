import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing

@Suite("Labels of enrolments") struct AgentLabelsTests {
    private static let relay = AgentID(unchecked: "relay-eu")

    private func open(_ test: StoreUnderTest) throws {
        test.stores = StoreDirectory(
            root: test.directory.path, time: test.time,
            agentLabels: { _, agent in
                AgentLabels(
                    [Label("job", "stagebox"), Label("region", "eu"), Label("site", "fra1")],
                    isRelay: agent == Self.relay)
            })
        test.store = try test.stores.tenant(TestBlocks.tenant)
    }

    private func send(_ agent: inout TestAgent, _ value: Double, to test: StoreUnderTest) throws {
        let numbers = (0..<UInt32(agent.series.count)).map { $0 }
        let batch = MetricBatch(groups: [
            MetricBatch.Group(
                timestamps: [TestBlocks.start.milliseconds], series: numbers, values: numbers.map { _ in value })
        ])
        let block = agent.metrics(batch, at: test.time.now)
        test.number += 1
        var commit = IngestCommit(number: test.number, at: test.time.now)
        commit.tables.append(agent.table)
        commit.blocks.append(block)
        commit.dedup.append(agent.dedup(through: 1, at: test.time.now))
        try test.store.commit(commit)
    }

    private static func series(_ labels: [[Label]]) -> [SeriesDescriptor] {
        labels.map { SeriesDescriptor(key: SeriesKey(name: "load", labels: $0), type: .gauge) }
    }

    @Test("a relay's series keep their own labels; whoever claims to hand on does not; nobody's are mixed")
    func relayed() throws {
        let test = try StoreUnderTest()
        test.close()
        try open(test)
        let given = [
            [Label("instance", "edge-1"), Label("job", "cdn"), Label("site", "ams2"), Label("stagebox_relay", "x")],
            // Of a recording rule.
            [Label("stagebox_relay", "relay-eu")],
            // The relay's own.
            [],
        ]
        var relay = TestAgent("relay-eu", series: Self.series(given))
        var other = TestAgent("edge-1", series: Self.series(given))
        try send(&relay, 1, to: test)
        try send(&other, 2, to: test)
        func key(_ labels: [(String, String)]) -> SeriesKey {
            SeriesKey(name: "load", labels: labels.map { Label($0.0, $0.1) })
        }
        let enrolled = [("job", "stagebox"), ("region", "eu"), ("site", "fra1")]
        let expected: [SeriesKey: Double] = [
            key([
                ("instance", "edge-1"), ("job", "cdn"), ("region", "eu"), ("site", "ams2"),
                ("stagebox_relay", "relay-eu"),
            ]): 1,
            key([("region", "eu"), ("site", "fra1"), ("stagebox_relay", "relay-eu")]): 1,
            key([("instance", "relay-eu")] + enrolled): 1,
            key([("instance", "edge-1"), ("exported_stagebox_relay", "x")] + enrolled): 2,
            key([("instance", "edge-1"), ("exported_stagebox_relay", "relay-eu")] + enrolled): 2,
            key([("instance", "edge-1")] + enrolled): 2,
        ]
        func stored() throws -> [SeriesKey: Double] {
            try TestBlocks.everything(test.store).mapValues { $0[TestBlocks.start.milliseconds] ?? -1 }
        }
        #expect(try stored() == expected)
        test.close()
        try open(test)
        #expect(try stored() == expected)
        test.close()
    }
}
