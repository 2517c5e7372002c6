import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing

@Suite("Limits and churn") struct LimitTests {
    @Test("limits.conf is read line by line, with the line for all beneath each tenant's own")
    func file() throws {
        let all = try TenantLimits.parse(
            """
            # who may take what
            acme  active-series=100 queries=4   # small
            *     samples-per-second=5000 queries=9
            """)
        #expect(all["acme"]?.activeSeries == 100 && all["acme"]?.queries == 4 && all["acme"]?.samplesPerSecond == 5000)
        #expect(all["*"]?.queries == 9 && all["*"]?.activeSeries == TenantLimits().activeSeries)
        for (text, reason) in [
            ("acme queries=0", "line 1: queries=0: from 1"), ("\nacme speed=1", "line 2: \"speed=1\": one of"),
            ("acme queries", "one of"), ("* labels=x", "labels=x: from 1 to 64"),
        ] {
            let error = #expect(throws: TenantLimits.Invalid.self) { _ = try TenantLimits.parse(text) }
            #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
        }
    }

    @Test("a tenant's own retention stands in limits.conf, tier by tier, over the line for all and the aggregator's")
    func retentions() throws {
        let aggregators = RetentionPolicy(raw: 100, fiveMinutes: 200, hour: 300)
        let all = try TenantLimits.parse(
            """
            *     retention=1h=50d
            acme  retention=raw=30d,5m=0
            blue  retention=off
            """, retention: aggregators)
        #expect(all["*"]?.retention == RetentionPolicy(raw: 100, fiveMinutes: 200, hour: 50))
        #expect(all["acme"]?.retention == RetentionPolicy(raw: 30, fiveMinutes: 0, hour: 50))
        #expect(all["blue"]?.retention?.hour == RetentionPolicy.forever)
        #expect(try TenantLimits.parse("acme queries=1", retention: aggregators)["acme"]?.retention == nil)
        let error = #expect(throws: TenantLimits.Invalid.self) { _ = try TenantLimits.parse("acme retention=2h=3d") }
        #expect(error?.description.contains("line 1: retention=2h=3d: \"2h=3d\": name a tier") == true)
    }

    @Test("retention is days for all tiers, off, or each tier's own")
    func retention() throws {
        #expect(try RetentionPolicy(parsing: "30") == RetentionPolicy(raw: 30, fiveMinutes: 30, hour: 30))
        #expect(try RetentionPolicy(parsing: "30d") == RetentionPolicy(raw: 30, fiveMinutes: 30, hour: 30))
        #expect(try RetentionPolicy(parsing: "off").raw == RetentionPolicy.forever)
        #expect(
            try RetentionPolicy(parsing: "raw=30d,5m=26w,1h=2y")
                == RetentionPolicy(raw: 30, fiveMinutes: 182, hour: 730))
        #expect(try RetentionPolicy(parsing: "raw=7d,5m=0").fiveMinutes == 0)
        for text in ["0", "x", "raw=0", "raw", "2h=3d", "raw=1d,", "5m=99999y", "-3"] {
            #expect(throws: RetentionPolicy.Invalid.self) { _ = try RetentionPolicy(parsing: text) }
        }
    }

    @Test("samples per second: a burst of two seconds' worth, then as many as the rate")
    func rate() {
        let rate = SampleRate()
        #expect(rate.take(1_000_000, perSecond: 0, now: 0) == 0)
        let second: UInt64 = 1_000_000_000
        #expect(rate.take(150, perSecond: 100, now: second) == 0)
        #expect(rate.take(100, perSecond: 100, now: second) == 0)
        #expect(rate.take(1, perSecond: 100, now: second) >= 1)
        #expect(rate.take(1, perSecond: 100, now: 2 * second) == 0)
        var taken = 0
        for tick in 0..<1000
        where rate.take(10, perSecond: 100, now: (3 + UInt64(tick)) * second / 10 + 30 * second) == 0 {
            taken += 10
        }
        #expect((9_000...10_300).contains(taken), "\(taken)")
    }

    @Test("an agent's series beyond the limits are left out and counted; the others are stored")
    func series() throws {
        let test = try StoreUnderTest()
        var limits = TenantLimits()
        limits.activeSeries = 4
        test.store.limits = limits
        try test.commit(from: TestBlocks.start)
        #expect(try TestBlocks.everything(test.store).count == 4)
        #expect(test.store.sizes().series == 4)
        try test.drain()
        #expect(try TestBlocks.everything(test.store).count == 4)
        test.close()
    }

    @Test("a year of churn leaves the index as large as what is kept; whoever comes back is known again")
    func churn() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 10))
        try test.commit(from: TestBlocks.start)
        let day: Int64 = 86_400_000
        for step in 0..<26 {
            var agent = TestAgent(
                "node-\(step)",
                series: (0..<200).map {
                    SeriesDescriptor(
                        key: SeriesKey(name: "churned", labels: [Label("pod", "p-\(step)-\($0)")]), type: .gauge)
                })
            var commit = IngestCommit(number: UInt64(step + 100), at: test.time.now)
            commit.tables = [agent.table]
            commit.blocks = [
                agent.metrics(
                    MetricBatch(groups: [
                        .init(
                            timestamps: [test.time.now.milliseconds], series: Array(0..<200),
                            values: Array(repeating: 1, count: 200))
                    ]), at: test.time.now)
            ]
            try test.store.commit(commit)
            try test.drain()
            test.time.advance(milliseconds: day)
            try test.store.maintain()
            #expect(test.store.sizes().series <= 12 * 200 + 10)
            if step == 18 {
                test.close()
                try test.reopen()
            }
        }
        let small = test.store.sizes().indexBytes
        test.close()
        try test.reopen()
        #expect(test.store.sizes().series <= 11 * 200)
        #expect(test.store.sizes().indexBytes < 2 * small)
        let ever = Timestamp.distantPast ... .distantFuture
        #expect(test.store.labelValues("pod", in: ever).count <= 11 * 200)
        // The first agent sends on, under the table of then if its store still has it.
        test.oracle = [:]
        test.agent.sequence = 0
        test.agent = TestAgent("node", seriesCount: 10, epoch: 2)
        try test.commit(from: test.time.now)
        #expect(try TestBlocks.everything(test.store)[test.agent.labels(0)] == test.oracle[test.agent.labels(0)])
        test.close()
    }

    @Test("an agent that was away for longer than anything is kept sends on under its old table")
    func revival() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 5))
        try test.commit(from: TestBlocks.start)
        try test.drain()
        test.time.advance(milliseconds: 20 * 86_400_000)
        try test.store.maintain()
        #expect(test.store.sizes().series == 0)
        test.oracle = [:]
        try test.commit(from: test.time.now)
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
        try test.reopen()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        try test.drain()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }
}
