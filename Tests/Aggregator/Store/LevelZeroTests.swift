import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Level 0") struct LevelZeroTests {
    private static let boot = ID128(high: 9, low: 9)
    private static let wrong = ClockReading(
        isSynchronized: false, errorBoundMilliseconds: 0, bootID: boot, monotonicNanoseconds: 100_000_000_000)

    private static func release(_ test: StoreUnderTest, wall: Timestamp = TestBlocks.start) throws {
        var commit = IngestCommit(number: 99, at: test.time.now)
        commit.clockReferences = [
            .init(agent: test.agent.id, bootID: boot, monotonicNanoseconds: 160_000_000_000, wall: wall)
        ]
        try test.store.commit(commit)
    }

    /// Changes a closed store's file.
    private static func change(_ path: String, _ text: String) throws {
        let database = try Database(path: path, configuration: DatabaseConfiguration())
        try database.execute(text)
        database.close()
    }

    @Test("bodies of blocks that are merged do not crowd the head")
    func crowding() throws {
        let test = try StoreUnderTest(StoreConfiguration(headBodyBytesMax: 100_000))
        for step in 0..<40 {
            try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 100_000), count: 50)
            try test.drain()
        }
        // More than three quarters of the bound have passed through.
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 5_000_000))
        for _ in 0..<50 where try !test.store.compactStep().didWork { break }
        #expect(test.store.sizes().levelZeroBlocks == 1)
        // What is really there does.
        for step in 0..<40 {
            try test.commit(
                from: TestBlocks.start.advanced(byMilliseconds: 6_000_000 + Int64(step) * 100_000), count: 50)
        }
        _ = try test.store.compactStep()
        #expect(test.store.sizes().levelZeroBlocks < 41)
        test.close()
    }

    @Test("samples released from quarantine are found after a crash right behind the commit, also of shared series")
    func releasedIsListed() throws {
        let test = try StoreUnderTest()
        // Known by push first: the series is the agent's only as a sharer.
        var write = SampleWrite()
        write.begin(test.store.pushed.add(SeriesDescriptor(key: test.agent.labels(0), type: .counter)))
        write.append(TestBlocks.start.milliseconds, 1)
        try test.store.commit(pushed: try test.store.prepare(write))
        try test.commit(from: Timestamp(seconds: 91), isQuarantined: true, clock: Self.wrong)
        let wall = TestBlocks.start.advanced(byMilliseconds: -7_200_000)
        try Self.release(test, wall: wall)
        for _ in 0..<2 {
            let found = try TestBlocks.everything(test.store)
            #expect(found[test.agent.labels(1)]?.count == 10)
            #expect(found[test.agent.labels(0)]?.count == 11)
            let around = wall.advanced(byMilliseconds: -100_000)...wall
            #expect(test.store.series([.equal("number", "0")], in: around).count == 1)
            test.close()
            try test.reopen()
        }
        test.close()
    }

    @Test("a batch that comes into quarantine with the commit that lets it out is found")
    func releasedAtOnce() throws {
        let test = try StoreUnderTest()
        var commit = IngestCommit(number: 1, at: test.time.now)
        commit.tables = [test.agent.table]
        commit.blocks = [
            test.agent.metrics(
                MetricBatch(groups: [.init(timestamps: [100_000], series: [0], values: [4])]), at: test.time.now,
                clock: Self.wrong, isQuarantined: true)
        ]
        commit.clockReferences = [
            .init(
                agent: test.agent.id, bootID: Self.boot, monotonicNanoseconds: 100_000_000_000, wall: TestBlocks.start)
        ]
        try test.store.commit(commit)
        test.close()
        try test.reopen()
        #expect(try TestBlocks.everything(test.store)[test.agent.labels(0)] == [TestBlocks.start.milliseconds: 4])
        test.close()
    }

    @Test(
        "a held batch whose corrected time is out of range is set aside and told, not released",
        arguments: [[Int64.min + 5, Int64.max - 5], [0, -1], [Int64.min, 91_000]])
    func impossibleTimes(_ times: [Int64]) throws {
        let test = try StoreUnderTest()
        try test.commit(from: Timestamp(seconds: 91), isQuarantined: true, clock: Self.wrong)
        test.close()
        try Self.change(test.path("ingest.sqlite"), "UPDATE block SET first = \(times[0]), last = \(times[1])")
        try test.reopen()
        try Self.release(test)
        #expect(try TestBlocks.everything(test.store).isEmpty)
        #expect(test.store.gaps().map(\.reason) == [.damaged])
        #expect(test.store.damageReports.map(\.file) == ["ingest.sqlite"])
        test.close()
        try test.reopen()
        #expect(test.store.sizes().levelZeroBlocks == 0)
        test.close()
    }

    @Test("a released batch whose stored correction leads out of range is set aside at the start")
    func impossibleShift() throws {
        let test = try StoreUnderTest()
        try test.commit(from: TestBlocks.start)
        test.close()
        try Self.change(test.path("ingest.sqlite"), "UPDATE block SET shift = \(Int64.max)")
        try test.reopen()
        #expect(test.store.sizes().levelZeroBlocks == 0)
        #expect(test.store.gaps().map(\.reason) == [.damaged])
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 20_000))
        try test.drain()
        test.close()
    }

    @Test("one ledger, fleet or gap row that does not decode costs itself")
    func damagedItems() throws {
        let test = try StoreUnderTest()
        var commit = IngestCommit(number: 1, at: test.time.now)
        let other = TestAgent("other", seriesCount: 1)
        commit.dedup = [test.agent.dedup(through: 3, at: test.time.now), other.dedup(through: 5, at: test.time.now)]
        commit.fleet = [FleetState(agent: test.agent.id, firstSeenAt: test.time.now)]
        let lane = LaneKey(epoch: test.agent.epoch, lane: .live)
        commit.losses = [
            .init(
                agent: test.agent.id, declaredBy: BatchKey(epoch: lane.epoch, lane: .alert, sequence: 1),
                record: LossRecord(
                    laneKey: lane, sequences: 9...9, count: LedgerCount(batches: 1, records: 1), reason: .bufferFull),
                counted: LedgerCount(batches: 1, records: 1), at: test.time.now)
        ]
        try test.store.commit(commit)
        test.close()
        // The first byte is a version.
        try Self.change(
            test.path("ingest.sqlite"),
            """
            UPDATE item SET value = x'7f00' WHERE kind IN (4, 5)
              OR (kind = 3 AND key = (SELECT min(key) FROM item WHERE kind = 3))
            """)
        for round in 0..<2 {
            try test.reopen()
            #expect(test.store.ledger().count == 1)
            #expect(test.store.fleet().isEmpty && test.store.gaps().isEmpty)
            #expect(test.store.damageReports.count == (round == 0 ? 3 : 0))
            test.close()
        }
        let database = try Database(path: test.path("ingest.sqlite"), configuration: DatabaseConfiguration())
        #expect(try database.integer("SELECT count(*) FROM item WHERE kind = 7") == 3)
        database.close()
    }

    @Test("what does not decode, and what waited in quarantine for too long, becomes a gap")
    func losses() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 5))
        try test.commit(from: TestBlocks.start)
        let play = ListeningEvent(id: "p", kind: .play, at: TestBlocks.start, receivedAt: TestBlocks.start)
        var commit = IngestCommit(number: 10, at: test.time.now)
        commit.blocks = [test.agent.events([play], at: test.time.now)]
        try test.store.commit(commit)
        test.close()
        try Self.change(test.path("ingest.sqlite"), "UPDATE block SET body = x'00112233'")
        try test.reopen()
        #expect(try TestBlocks.everything(test.store).isEmpty)
        #expect(try TestBlocks.events(test.store).isEmpty)
        #expect(test.store.gaps().map(\.reason) == [.damaged, .damaged])
        #expect(test.store.gaps().map(\.sequences) == [1...1, 2...2])
        #expect(test.store.gaps().first?.from == TestBlocks.start)
        #expect(test.store.gaps().first?.count.records == 100)
        test.close()
        try test.reopen()
        #expect(test.store.gaps().count == 2 && test.store.sizes().levelZeroBlocks == 0)

        try test.commit(from: Timestamp(seconds: 91), isQuarantined: true, clock: Self.wrong)
        test.time.advance(milliseconds: 7 * 86_400_000)
        try test.store.maintain()
        #expect(test.store.gaps().map(\.reason) == [.quarantineExpired])
        test.close()
        try test.reopen()
        #expect(test.store.gaps().map(\.reason.name) == ["quarantine-expired"])
        test.close()
    }

    @Test("gaps of many lanes are narrowed by the batches of their own lane only, in whatever order those come")
    func narrowing() throws {
        let test = try StoreUnderTest()
        func loss(_ epoch: EpochID, _ sequences: ClosedRange<UInt64>) -> IngestCommit.Loss {
            let lane = LaneKey(epoch: epoch, lane: .live)
            return .init(
                agent: test.agent.id, declaredBy: BatchKey(epoch: epoch, lane: .alert, sequence: 1),
                record: LossRecord(
                    laneKey: lane, sequences: sequences, count: LedgerCount(batches: 1, records: 1),
                    reason: .bufferFull),
                counted: LedgerCount(batches: 1, records: 1), at: test.time.now)
        }
        var commit = IngestCommit(number: 1, at: test.time.now)
        commit.losses = [
            loss(test.agent.epoch, 5...5), loss(test.agent.epoch, 8...9), loss(EpochID(high: 77, low: 1), 5...5),
        ]
        try test.store.commit(commit)
        commit = IngestCommit(number: 2, at: test.time.now)
        commit.tables = [test.agent.table]
        func time(_ sequence: UInt64) -> Timestamp {
            TestBlocks.start.advanced(byMilliseconds: Int64(sequence) * 1000)
        }
        for sequence in [10, 3, 7, 4, 12] as [UInt64] {
            commit.blocks.append(
                test.agent.metrics(
                    MetricBatch(groups: [
                        .init(timestamps: [time(sequence).milliseconds], series: [0], values: [1])
                    ]), at: test.time.now, sequence: sequence))
        }
        try test.store.commit(commit)
        let gaps = test.store.gaps()
        #expect(gaps.map(\.from) == [time(4), time(7), nil])
        #expect(gaps.map(\.through) == [time(7), time(10), nil])
        test.close()
        try test.reopen()
        #expect(test.store.gaps() == gaps)
        test.close()
    }

    @Test("the ledger learns from level 0 what of a lane had arrived")
    func committedCount() throws {
        let test = try StoreUnderTest()
        for step in 0..<3 { try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 10_000)) }
        let lane = LaneKey(epoch: test.agent.epoch, lane: .live)
        let found = try test.stores.committedCount(
            of: TestBlocks.tenant, agent: test.agent.id, lane: lane, within: 2...9)
        #expect(found == LedgerCount(batches: 2, records: 200))
        test.close()
    }

    @Test("a reader from under which parts are moved again and again says so instead of leaving them out")
    func busyReader() throws {
        var rounds = 0
        let error = #expect(throws: StoreError.self) {
            try ReadRounds.run {
                rounds += 1
                return false
            }
        }
        #expect(error?.code == .busy && rounds == ReadRounds.countMax)
        rounds = 0
        try ReadRounds.run {
            rounds += 1
            return rounds == 3
        }
        #expect(rounds == 3)
    }
}
