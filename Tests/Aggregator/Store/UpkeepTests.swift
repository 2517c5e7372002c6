import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite struct UpkeepTests {
    @Test(
        "days beyond retention go with their files, their series and nothing else, be it the aggregator's or the tenant's",
        arguments: [false, true])
    func retention(isTenants: Bool) throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: isTenants ? 400 : 2))
        if isTenants { test.store.limits.retention = RetentionPolicy(raw: 2, fiveMinutes: 2, hour: 2) }
        for day in 0..<5 {
            let start = TestBlocks.start.advanced(byMilliseconds: Int64(day) * 86_400_000)
            try test.commit(from: start.advanced(byMilliseconds: 3_600_000))
            try test.drain()
            test.time.advance(milliseconds: 86_400_000)
        }
        try test.store.maintain()
        let cut = TestBlocks.start.milliseconds + 3 * 86_400_000
        let expected = test.oracle.mapValues { $0.filter { $0.key >= cut } }
        #expect(try TestBlocks.everything(test.store) == expected)
        #expect(!Files.exists(test.path("metrics-20260103.sqlite")))
        #expect(Files.exists(test.path("metrics-20260104.sqlite")))
        test.time.advance(milliseconds: 10 * 86_400_000)
        try test.store.maintain()
        #expect(try TestBlocks.everything(test.store).isEmpty)
        #expect(test.store.sizes().series == 0)
        #expect(test.store.sizes().metricsBytes == 0)
        test.close()
    }

    @Test("R31: space is given back and used again: many rounds of ingest and merging keep the ingest file small")
    func reclaimed() throws {
        let test = try StoreUnderTest()
        for round in 0..<20 {
            for step in 0..<30 {
                try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(round * 30 + step) * 10_000))
            }
            try test.drain()
            try test.store.maintain()
        }
        #expect(test.store.sizes().ingestBytes < 140_000)
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }

    @Test("giving space back is bounded, and by hand it is not")
    func shrunk() throws {
        let test = try StoreUnderTest()
        for step in 0..<60 { try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 10_000)) }
        try test.drain()
        try test.store.shrink(pagesMax: 1)
        let bounded = test.store.sizes().ingestBytes
        try test.store.shrink(pagesMax: Int(Int32.max))
        let whole = test.store.sizes().ingestBytes
        try test.store.shrink(pagesMax: Int(Int32.max))
        #expect(whole < bounded && test.store.sizes().ingestBytes == whole)
        test.close()
    }

    @Test("R14: everything replayed three times counts once")
    func replayed() throws {
        let test = try StoreUnderTest()
        var commits: [IngestCommit] = []
        for step in 0..<10 {
            var commit = IngestCommit(number: UInt64(step), at: test.time.now)
            if step == 0 { commit.tables = [test.agent.table] }
            let times = (0..<10).map { TestBlocks.start.milliseconds + Int64(step * 10 + $0) * 1000 }
            let samples = MetricBatch(groups: [
                .init(timestamps: times, series: [0, 1], values: (0..<20).map { Double($0) })
            ])
            commit.blocks = [test.agent.metrics(samples, at: test.time.now)]
            commit.dedup = [test.agent.dedup(through: test.agent.sequence, at: test.time.now)]
            commits.append(commit)
        }
        for commit in commits { try test.store.commit(commit) }
        let once = try TestBlocks.everything(test.store)
        for round in 0..<3 {
            for commit in commits { try test.store.commit(commit) }
            if round == 1 { try test.drain() }
            #expect(try TestBlocks.everything(test.store) == once)
        }
        #expect(once.values.reduce(0) { $0 + $1.count } == 200)
        test.close()
    }

    @Test("R20: batches with a wrong clock stay apart and come out with corrected time once the offset is known")
    func quarantine() throws {
        let test = try StoreUnderTest()
        let boot = ID128(high: 9, low: 9)
        // Sealed 100 s after boot by a clock that stood at 1970.
        let wrong = ClockReading(
            isSynchronized: false, errorBoundMilliseconds: 0, bootID: boot, monotonicNanoseconds: 100_000_000_000)
        try test.commit(from: Timestamp(seconds: 91), isQuarantined: true, clock: wrong)
        #expect(try TestBlocks.everything(test.store).isEmpty)
        // Retention goes by when it came, and its series are not taken for ended.
        try test.store.maintain()
        test.close()
        try test.reopen()
        try test.store.maintain()
        var commit = IngestCommit(number: 9, at: test.time.now)
        commit.clockReferences = [
            .init(agent: test.agent.id, bootID: boot, monotonicNanoseconds: 160_000_000_000, wall: TestBlocks.start)
        ]
        try test.store.commit(commit)
        // The last sample (100 s after boot) was taken 60 s before the reference.
        let found = try TestBlocks.everything(test.store)[test.agent.labels(0)] ?? [:]
        #expect(found.keys.max() == TestBlocks.start.milliseconds - 60_000)
        #expect(found.count == 10)
        let gap = try #require(test.store.gaps().first)
        #expect(gap.reason == .clockCorrected)
        #expect(gap.through == TestBlocks.start.advanced(byMilliseconds: -60_000))
        try test.drain()
        #expect(try TestBlocks.everything(test.store)[test.agent.labels(0)] == found)
        test.close()
        try test.reopen()
        #expect(try TestBlocks.everything(test.store)[test.agent.labels(0)] == found)
        test.close()
    }

    @Test("declared losses are gaps whose time the batches around them tell")
    func gaps() throws {
        let test = try StoreUnderTest()
        try test.commit(from: TestBlocks.start)
        let lane = LaneKey(epoch: test.agent.epoch, lane: .live)
        var commit = IngestCommit(number: 2, at: test.time.now)
        commit.losses = [
            .init(
                agent: test.agent.id, declaredBy: BatchKey(epoch: lane.epoch, lane: .alert, sequence: 1),
                record: LossRecord(
                    laneKey: lane, sequences: 2...5, count: LedgerCount(batches: 4, records: 40), reason: .bufferFull),
                counted: LedgerCount(batches: 4, records: 40), at: test.time.now)
        ]
        try test.store.commit(commit)
        test.agent.sequence = 6
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 120_000))
        let gap = try #require(test.store.gaps(of: test.agent.id).first)
        #expect(gap.reason == .declared(.bufferFull))
        #expect(gap.from == TestBlocks.start.advanced(byMilliseconds: 9000))
        #expect(gap.through == TestBlocks.start.advanced(byMilliseconds: 120_000))
        test.close()
        try test.reopen()
        #expect(test.store.gaps() == [gap])
        #expect(test.store.gaps(in: .distantPast...TestBlocks.start).isEmpty)
        test.close()
    }

    @Test("the ledger, the fleet, tables and parked payloads come back after a restart")
    func snapshot() throws {
        let test = try StoreUnderTest()
        var commit = IngestCommit(number: 1, at: test.time.now)
        commit.tables = [test.agent.table]
        var dedup = test.agent.dedup(through: 3, at: test.time.now)
        dedup.counts[.malformed] = LedgerCount(batches: 1, records: 2)
        dedup.counts[.damaged] = LedgerCount(batches: 3, records: 4)
        dedup.closedFrom = 77
        dedup.reported = Birth.LaneState(
            laneKey: dedup.laneKey, oldest: 2, next: 9, produced: LedgerCount(batches: 8, records: 80),
            dropped: LedgerCount(),
            pending: LedgerCount(batches: 1, records: 10))
        var fleet = FleetState(agent: test.agent.id, firstSeenAt: test.time.now)
        fleet.isOnline = true
        fleet.acknowledgementReserve = 1000
        fleet.birth = Birth(
            sessionCounter: 4, runningEpoch: test.agent.epoch, lanes: [], agentVersion: "0.1", clock: TestBlocks.clock,
            time: test.time.now, bufferBytes: 12)
        commit.dedup = [dedup]
        commit.fleet = [fleet]
        commit.parked = [
            .init(
                agent: test.agent.id, key: nil, code: .malformed, isFinal: true, detail: "why", payload: [1, 2, 3],
                at: test.time.now)
        ]
        try test.store.commit(commit)
        test.close()
        try test.reopen()
        let snapshot = try test.stores.loadIngest(of: TestBlocks.tenant)
        #expect(snapshot.dedup == [dedup])
        #expect(snapshot.fleet == [fleet])
        #expect(snapshot.tables == [.init(agent: test.agent.id, hash: test.agent.tableHash, seriesCount: 10)])
        let parked = try test.store.parked()
        #expect(parked.map(\.payload) == [[1, 2, 3]])
        #expect(parked.map(\.detail) == ["why"])
        var forget = IngestCommit(number: 2, at: test.time.now)
        forget.forgotten = [.init(agent: test.agent.id, laneKey: dedup.laneKey)]
        try test.store.commit(forget)
        #expect(test.store.ledger().isEmpty)
        // Beyond 1 MiB or seven days the oldest parked payload goes.
        var park = IngestCommit(number: 3, at: test.time.now)
        for number in 0..<6 {
            park.parked.append(
                .init(
                    agent: test.agent.id, key: nil, code: .tooLarge, isFinal: true, detail: "\(number)",
                    payload: [UInt8](repeating: 7, count: 250_000), at: test.time.now))
        }
        try test.store.commit(park)
        #expect(try test.store.parked().map(\.detail) == ["2", "3", "4", "5"])
        test.close()
    }
}
