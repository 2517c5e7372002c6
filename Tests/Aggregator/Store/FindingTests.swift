import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing

@Suite(.serialized, .ownThread) struct FindingTests {
    private func at(_ second: Int64) -> Timestamp { TestBlocks.start.advanced(byMilliseconds: second * 1000) }

    private func finding(_ id: UInt64, from: Int64, to: Int64? = nil, group: String = "cpu", metric: String = "m")
        -> Finding
    {
        Finding(
            id: ID128(high: 0, low: id), group: group, since: at(from), until: to.map(at), score: 1, peakAt: at(from),
            anomalousCount: 3, contributors: [Finding.Contributor(key: SeriesKey(name: metric), share: 1)])
    }

    private func commit(_ findings: [Finding], to test: StoreUnderTest) throws {
        test.number += 1
        var commit = IngestCommit(number: test.number, at: test.time.now)
        commit.blocks = [test.agent.findings(findings, at: test.time.now)]
        commit.dedup = [test.agent.dedup(through: test.agent.sequence, at: test.time.now)]
        try test.store.commit(commit)
        // The same commit again, its outcome having been unknown, changes nothing.
        try test.store.commit(commit)
    }

    private func ids(_ test: StoreUnderTest, _ query: FindingQuery) throws -> [UInt64] {
        try test.store.findings(query).map(\.finding.id.low)
    }

    @Test("the closing report of a finding replaces the opening one, in whatever order they come")
    func revisions() throws {
        let test = try StoreUnderTest()
        let all = FindingQuery(range: at(0)...at(1000))
        try commit([finding(1, from: 10)], to: test)
        #expect(try test.store.findings(all).map(\.finding) == [finding(1, from: 10)])
        #expect(try test.store.findings(all).map(\.agent) == [test.agent.id])
        try commit([finding(1, from: 10, to: 20), finding(2, from: 30, to: 40)], to: test)
        try commit([finding(2, from: 30), finding(3, from: 50)], to: test)
        for _ in 0..<2 {
            #expect(
                try test.store.findings(all).map(\.finding)
                    == [finding(3, from: 50), finding(2, from: 30, to: 40), finding(1, from: 10, to: 20)])
            test.close()
            try test.reopen()
        }
        test.close()
    }

    @Test("findings are asked for by time, agent, state, group and metric, the newest first")
    func filters() throws {
        let test = try StoreUnderTest()
        try commit(
            [
                finding(1, from: 10, to: 20), finding(2, from: 15, group: "disk"), finding(3, from: 30, to: 31),
                finding(4, from: 32, metric: "n"),
            ], to: test)
        #expect(try ids(test, FindingQuery(range: at(0)...at(100))) == [4, 3, 2, 1])
        #expect(try ids(test, FindingQuery(range: at(20)...at(29))) == [2, 1])
        #expect(try ids(test, FindingQuery(range: at(0)...at(9))).isEmpty)
        #expect(try ids(test, FindingQuery(range: at(0)...at(100), isOpen: true)) == [4, 2])
        #expect(try ids(test, FindingQuery(range: at(0)...at(100), isOpen: false)) == [3, 1])
        #expect(try ids(test, FindingQuery(range: at(0)...at(100), group: "disk")) == [2])
        #expect(try ids(test, FindingQuery(range: at(0)...at(100), metric: "n")) == [4])
        #expect(try ids(test, FindingQuery(range: at(0)...at(100), limit: 2)) == [4, 3])
        #expect(try ids(test, FindingQuery(range: at(0)...at(100), agent: test.agent.id)) == [4, 3, 2, 1])
        #expect(try ids(test, FindingQuery(range: at(0)...at(100), agent: AgentID(unchecked: "nobody"))).isEmpty)
        test.close()
    }

    @Test("findings leave with the events' retention")
    func retention() throws {
        let test = try StoreUnderTest(StoreConfiguration(eventsRetentionDays: 1))
        try commit([finding(1, from: 10, to: 20), finding(2, from: 90_000)], to: test)
        test.time.advance(milliseconds: at(90_000).milliseconds(since: test.time.now))
        try test.store.maintain()
        #expect(try ids(test, FindingQuery(range: at(0)...at(100_000))) == [2])
        test.close()
    }
}
