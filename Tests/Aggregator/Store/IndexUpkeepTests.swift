import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing

@Suite("Upkeep of the index") struct IndexUpkeepTests {
    private static let day: Int64 = 86_400_000
    private static let ever = Timestamp.distantPast ... .distantFuture

    private static func series(_ names: [String]) -> [SeriesDescriptor] {
        names.map { SeriesDescriptor(key: SeriesKey(name: "m", labels: [Label("which", $0)]), type: .gauge) }
    }

    /// One sample of each series now.
    private static func send(_ agent: inout TestAgent, to test: StoreUnderTest, value: Double = 1) throws {
        test.number += 1
        var commit = IngestCommit(number: test.number, at: test.time.now)
        if agent.sequence == 0 { commit.tables = [agent.table] }
        let count = agent.series.count
        commit.blocks = [
            agent.metrics(
                MetricBatch(groups: [
                    .init(
                        timestamps: [test.time.now.milliseconds], series: (0..<UInt32(count)).map { $0 },
                        values: Array(repeating: value, count: count))
                ]), at: test.time.now)
        ]
        try test.store.commit(commit)
    }

    @Test("an id that a kept table still names is given to no other series after a restart")
    func idsAreNotReused() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 5))
        var wide = TestAgent("node", series: Self.series(["kept", "ended"]))
        try Self.send(&wide, to: test)
        try test.drain()
        test.time.advance(milliseconds: 20 * Self.day)
        var narrow = TestAgent("node", series: Self.series(["kept"]), epoch: 2)
        try Self.send(&narrow, to: test)
        try test.drain()
        try test.store.maintain()
        #expect(test.store.sizes().series == 1)
        test.close()
        try test.reopen()
        // Someone else's series, then the agent sends on under its first table.
        var other = TestAgent("other", series: Self.series(["foreign"]), epoch: 3)
        try Self.send(&other, to: test, value: 7)
        test.time.advance(milliseconds: 1000)
        try Self.send(&wide, to: test, value: 2)
        let found = try TestBlocks.everything(test.store)
        #expect(found[other.labels(0)].map { Set($0.values) } == [7])
        #expect(found[wide.labels(1)].map { Set($0.values) } == [2])
        test.close()
    }

    @Test("texts numbered anew once every series has ended are right after restarts")
    func everyTextNew() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 5))
        var old = TestAgent("old", series: Self.series((0..<1500).map { "old-\($0)" }))
        try Self.send(&old, to: test)
        try test.drain()
        test.time.advance(milliseconds: 20 * Self.day)
        try test.store.maintain()
        #expect(test.store.sizes().series == 0)
        var agents = (0..<3).map {
            TestAgent("new-\($0)", series: Self.series(["a\($0)", "old-7"]), epoch: UInt64($0 + 2))
        }
        for index in agents.indices {
            try Self.send(&agents[index], to: test, value: Double(index))
            test.close()
            try test.reopen()
            let found = try TestBlocks.everything(test.store)
            #expect(found.count == 2 * (index + 1))
            for known in 0...index {
                #expect(found[agents[known].labels(0)].map { Set($0.values) } == [Double(known)])
                #expect(found[agents[known].labels(1)].map { Set($0.values) } == [Double(known)])
            }
        }
        test.close()
    }

    @Test("series that all ended stay ended over a restart")
    func endedStaysEnded() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 5))
        try test.commit(from: TestBlocks.start)
        try test.drain()
        test.time.advance(milliseconds: 20 * Self.day)
        try test.store.maintain()
        test.close()
        try test.reopen()
        #expect(test.store.sizes().series == 0)
        #expect(test.store.series([], in: Self.ever).isEmpty)
        test.close()
    }

    @Test("a rebuilt index knows when its series have samples, so that they end in time")
    func rebuiltBounds() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 5))
        var early = TestAgent("early", series: Self.series(["early"]))
        try Self.send(&early, to: test)
        try test.drain()
        test.time.advance(milliseconds: 2 * Self.day)
        var late = TestAgent("late", series: Self.series(["late"]), epoch: 2)
        try Self.send(&late, to: test)
        test.close()
        Database.remove(test.path("index.sqlite"))
        try test.reopen()
        #expect(try TestBlocks.everything(test.store).count == 2)
        let bounds = test.store.series([.equal("which", "early")], in: Self.ever).first
        #expect(bounds?.first == TestBlocks.start)
        #expect(bounds.map { $0.last.milliseconds < TestBlocks.start.milliseconds + 3 * 3_600_000 } == true)
        try test.drain()
        test.time.advance(milliseconds: 5 * Self.day)
        try test.store.maintain()
        #expect(test.store.series([], in: Self.ever).map { $0.descriptor.key["which"] } == ["late"])
        test.close()
    }

    @Test("without the labels of the agents' certificates an index is not rebuilt, and left for who has them")
    func offline() throws {
        let test = try StoreUnderTest()
        test.stores = StoreDirectory(
            root: test.directory.path, time: test.time, agentLabels: { _, _ in [Label("region", "north")] })
        test.store = try test.stores.tenant(TestBlocks.tenant)
        var agent = TestAgent("node", series: Self.series(["x"]))
        try Self.send(&agent, to: test)
        test.close()
        try Files.write([UInt8](repeating: 0xA5, count: 5000), to: test.path("index.sqlite"))
        let error = #expect(throws: StoreError.self) {
            _ = try TenantStore(
                tenant: TestBlocks.tenant, directory: test.path(""), configuration: StoreConfiguration(),
                time: test.time, metrics: OwnMetrics(), agentLabels: nil)
        }
        #expect(error?.message.contains("start the aggregator") == true)
        test.stores = StoreDirectory(
            root: test.directory.path, time: test.time, agentLabels: { _, _ in [Label("region", "north")] })
        test.store = try test.stores.tenant(TestBlocks.tenant)
        #expect(test.store.labelValues("region", in: Self.ever) == ["north"])
        test.close()
    }

    @Test("series refused at the limit come in once there is room, and what is lost until then is counted")
    func refused() throws {
        let test = try StoreUnderTest()
        var limits = TenantLimits()
        limits.activeSeries = 4
        test.store.limits = limits
        try test.commit(from: TestBlocks.start)
        try test.drain()
        #expect(test.stores.metrics.value("stagebox_store_series_refused_total") == 6)
        #expect(
            test.stores.metrics.value("stagebox_store_dropped_total", "reason", "series-limit") == 60)
        limits.activeSeries = 100
        test.store.limits = limits
        test.oracle = test.oracle.filter { test.store.sizes().series == 4 && $0.value.isEmpty }
        test.time.advance(milliseconds: 10_000)
        try test.commit(from: test.time.now)
        #expect(test.store.sizes().series == 10)
        #expect(try TestBlocks.everything(test.store)[test.agent.labels(9)] == test.oracle[test.agent.labels(9)])
        test.close()
        try test.reopen()
        #expect(try TestBlocks.everything(test.store)[test.agent.labels(9)] == test.oracle[test.agent.labels(9)])
        test.close()
    }

    @Test("deleting everything of a series makes room, and what its agent delivers late stays deleted")
    func deletedMakesRoom() throws {
        let test = try StoreUnderTest()
        test.time.advance(milliseconds: 100_000)
        try test.commit(from: TestBlocks.start)
        _ = try test.store.delete([[]], in: Self.ever)
        try test.store.cleanDeletions()
        #expect(test.store.sizes().series == 0)
        #expect(test.store.metricTypes().isEmpty)
        test.close()
        try test.reopen()
        #expect(test.store.sizes().series == 0)
        test.oracle = [:]
        // Measured before the deletion.
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 50_000))
        #expect(try TestBlocks.everything(test.store).isEmpty)
        test.oracle = [:]
        // Measured after it.
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 101_000))
        for _ in 0..<2 {
            #expect(try TestBlocks.everything(test.store) == test.oracle)
            try test.drain()
        }
        test.close()
        try test.reopen()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }

    @Test("a time range and a part of the series come without describing all of them")
    func listed() throws {
        let test = try StoreUnderTest()
        try test.commit(from: TestBlocks.start)
        let two = [[LabelMatcher.equal("zone", "z1")], [LabelMatcher.equal("__name__", "metric_1")]]
        let found = test.store.series(two, in: Self.ever, limit: 2)
        #expect(found.count == 4)
        #expect(found.entries.map(\.id) == [SeriesID(2), SeriesID(5)])
        #expect(test.store.bounds(two, in: Self.ever)?.lowerBound == TestBlocks.start)
        #expect(test.store.bounds([[.equal("zone", "none")]], in: Self.ever) == nil)
        test.close()
    }
}
