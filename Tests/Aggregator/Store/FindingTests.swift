import Ingest
import RuntimeSupport
import SQLite
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

    private func tell(_ findings: [Finding], of test: StoreUnderTest) throws {
        try test.store.put(fleet: findings.map { (test.agent.id, $0) })
    }

    @Test("what the fleet finds stands beside what nodes find, and joins it when it is of the same group and time")
    func fleet() throws {
        let test = try StoreUnderTest()
        let all = FindingQuery(range: at(0)...at(100_000))
        // The fleet's comes second, overlaps.
        try commit([finding(1, from: 1000, to: 1100)], to: test)
        try tell([finding(101, from: 1050)], of: test)
        // The node's comes second, at most five minutes apart; another group, or later, does not join.
        try tell(
            [finding(102, from: 3000, to: 3100), finding(103, from: 3000, to: 3100, group: "disk")], of: test)
        try commit([finding(2, from: 3400, to: 3500), finding(3, from: 3801, group: "disk")], to: test)
        for _ in 0..<2 {
            let found = try test.store.findings(all)
            #expect(found.map(\.finding.id.low) == [3, 2, 103, 1])
            #expect(found.map(\.origin) == [.node, .node, .fleet, .node])
            #expect(found.map { $0.fleet.map(\.id.low) } == [[], [102], [], [101]])
            #expect(found.map(\.until) == [nil, at(3500), at(3100), nil])
            test.close()
            try test.reopen()
        }
        // The node's is closed, but as long as its part is open so is the whole.
        #expect(try ids(test, FindingQuery(range: at(2000)...at(2001))) == [1])
        #expect(try ids(test, FindingQuery(range: at(0)...at(100_000), isOpen: true)) == [3, 1])
        #expect(try test.store.openFleetFindings().map(\.finding.id.low) == [101])
        try tell([finding(101, from: 1050, to: 1200)], of: test)
        #expect(try ids(test, FindingQuery(range: at(0)...at(100_000), isOpen: true)) == [3])
        #expect(try ids(test, FindingQuery(range: at(1150)...at(1160))) == [1])
        #expect(try ids(test, FindingQuery(range: at(2000)...at(2001))).isEmpty)
        // An id that the other origin has taken is left alone; an agent that is not known has no findings.
        try tell([finding(2, from: 3400, to: 3600)], of: test)
        try test.store.put(fleet: [(AgentID(unchecked: "nobody"), finding(104, from: 1))])
        #expect(try ids(test, FindingQuery(range: at(3550)...at(3560))).contains(2) == false)
        test.close()
    }

    @Test("what was part of a finding that has left stands by itself")
    func orphans() throws {
        let test = try StoreUnderTest(StoreConfiguration(eventsRetentionDays: 1))
        try commit([finding(1, from: 10, to: 20)], to: test)
        try tell([finding(101, from: 15)], of: test)
        #expect(try ids(test, FindingQuery(range: at(0)...at(100))) == [1])
        test.time.advance(milliseconds: at(90_000).milliseconds(since: test.time.now))
        try test.store.maintain()
        // Open, and begun a day ago: it has left as well, or stands alone, but never hides.
        #expect(try test.store.findings(FindingQuery(range: at(0)...at(100_000))).allSatisfy { $0.origin == .fleet })
        test.close()
    }

    @Test("findings of a store of before there were nodes of relays are kept, and joined as they were")
    func migration() throws {
        let test = try StoreUnderTest()
        try commit([finding(1, from: 10, to: 20), finding(2, from: 1000)], to: test)
        try tell([finding(101, from: 12)], of: test)
        let before = try test.store.findings(FindingQuery(range: at(0)...at(2000)))
        test.close()
        let file = try Database(path: test.path("ingest.sqlite"), configuration: DatabaseConfiguration())
        try file.execute(
            """
            CREATE TABLE old(agent INTEGER NOT NULL, id BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER,
              body BLOB NOT NULL, origin INTEGER NOT NULL DEFAULT 0, kind TEXT, joined BLOB, PRIMARY KEY(agent, id))
              STRICT, WITHOUT ROWID;
            INSERT INTO old SELECT agent, id, since, until, body, origin, kind, joined FROM finding;
            DROP TABLE finding;
            ALTER TABLE old RENAME TO finding;
            CREATE INDEX finding_since ON finding(since);
            CREATE INDEX finding_fleet ON finding(agent, joined) WHERE origin = 1;
            DROP TABLE finding_out;
            DROP TABLE family;
            PRAGMA user_version = 3;
            """)
        file.close()
        try test.reopen()
        #expect(try test.store.findings(FindingQuery(range: at(0)...at(2000))) == before && before.count == 2)
        #expect(before.map { $0.fleet.map(\.id.low) } == [[], [101]])
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
