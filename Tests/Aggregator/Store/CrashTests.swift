import Glibc
import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

/// A store in a directory of its own, with one agent that sends ten series.
final class StoreUnderTest {
    let directory: TemporaryDirectory
    let time: ManualTimeSource
    let configuration: StoreConfiguration
    var stores: StoreDirectory
    var store: TenantStore
    var agent: TestAgent
    var oracle: [SeriesKey: [Int64: Double]] = [:]
    var number: UInt64 = 0

    init(_ configuration: StoreConfiguration = StoreConfiguration(), now: Timestamp = TestBlocks.start) throws {
        directory = try TemporaryDirectory()
        self.configuration = configuration
        time = ManualTimeSource(now: now)
        stores = StoreDirectory(root: directory.path, configuration: configuration, time: time)
        store = try stores.tenant(TestBlocks.tenant)
        agent = TestAgent("node", seriesCount: 10)
    }

    func path(_ name: String) -> String { directory.file("tenants/acme/\(name)") }

    func close() { stores.closeAll() }
    func reopen() throws {
        stores = StoreDirectory(root: directory.path, configuration: configuration, time: time)
        store = try stores.tenant(TestBlocks.tenant)
    }

    func commit(
        from start: Timestamp, count: Int64 = 10, isQuarantined: Bool = false, clock: ClockReading = TestBlocks.clock
    ) throws {
        let times = (0..<count).map { start.milliseconds + $0 * 1000 }
        var noise = SeededGenerator(seed: number)
        let values = (0..<10 * times.count).map { Double($0) + Double(noise.next() >> 12) / 1e9 }
        number += 1
        var commit = IngestCommit(number: number, at: time.now)
        if agent.sequence == 0 { commit.tables.append(agent.table) }
        let samples = MetricBatch(groups: [.init(timestamps: times, series: Array(0..<10), values: values)])
        commit.blocks.append(agent.metrics(samples, at: time.now, clock: clock, isQuarantined: isQuarantined))
        commit.dedup.append(agent.dedup(through: agent.sequence, at: time.now))
        try store.commit(commit)
        guard !isQuarantined else { return }
        for series in 0..<10 {
            for (instant, timestamp) in times.enumerated() {
                oracle[agent.labels(series), default: [:]][timestamp] = values[series * times.count + instant]
            }
        }
    }

    func drain() throws { while try store.compactStep(isDraining: true).didWork {} }
}

@Suite struct CrashTests {
    @Test("rows that a day file holds already are taken out of level 0 after a crash, and count once")
    func betweenPhases() throws {
        let test = try StoreUnderTest()
        for step in 0..<5 { try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 10_000)) }
        test.store.faults.stop(at: .afterDayFile)
        #expect(throws: StoreFaults.Stopped.self) { try test.drain() }
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
        try test.reopen()
        #expect(test.store.sizes().levelZeroBlocks == 0)
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        try test.drain()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        // Ids go on, so that new rows are not taken for those of the notes.
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 50_000))
        test.close()
        try test.reopen()
        #expect(test.store.sizes().levelZeroBlocks == 1)
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }

    @Test("a crash after the rows' deletion leaves a note that harms nothing")
    func afterDeletion() throws {
        let test = try StoreUnderTest()
        try test.commit(from: TestBlocks.start)
        test.store.faults.stop(at: .afterDeletion)
        #expect(throws: StoreFaults.Stopped.self) { try test.drain() }
        test.close()
        try test.reopen()
        for step in 1..<4 { try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 10_000)) }
        test.close()
        try test.reopen()
        #expect(test.store.sizes().levelZeroBlocks == 3)
        try test.drain()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }

    @Test("a crash between the two days of a block over midnight loses and doubles nothing")
    func betweenDays() throws {
        let midnight = TestBlocks.start.advanced(byMilliseconds: 86_400_000)
        let test = try StoreUnderTest(now: midnight)
        try test.commit(from: midnight.advanced(byMilliseconds: -5000))
        test.store.faults.stop(at: .afterDayFile)
        #expect(throws: StoreFaults.Stopped.self) { try test.drain() }
        test.close()
        try test.reopen()
        #expect(test.store.sizes().levelZeroBlocks == 1)
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        // The later value of a conflicting pair stays, although the older block is merged after it began.
        try test.commit(from: midnight.advanced(byMilliseconds: -5000))
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        try test.drain()
        #expect(test.store.sizes().levelZeroBlocks == 0)
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }

    @Test("a commit on a full disk fails as a whole and the same one succeeds when there is room")
    func fullDisk() throws {
        let test = try StoreUnderTest()
        try test.commit(from: TestBlocks.start)
        test.store.limitIngestPages(1)
        let held = (test.agent.sequence, test.oracle)
        let big = Int64(2000)
        #expect(throws: StoreError.self) {
            try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 60_000), count: big)
        }
        #expect(test.oracle == held.1)
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        #expect(test.store.ledger().first?.settled.contiguous == 1)
        test.store.limitIngestPages(1 << 30)
        test.agent.sequence = held.0
        try test.commit(from: TestBlocks.start.advanced(byMilliseconds: 60_000), count: big)
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        #expect(test.store.ledger().first?.settled.contiguous == 2)
        test.close()
        try test.reopen()
        #expect(try TestBlocks.everything(test.store) == test.oracle)
        test.close()
    }
}
