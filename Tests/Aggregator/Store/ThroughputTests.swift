import Glibc
import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite struct ThroughputTests {
    /// CPU of this process, seconds.
    private static func cpu() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Prints what the store costs per sample, decoding and network left out. No assertion: figures are for people.
    @Test(
        "commits of 64 agents' batches and their compaction",
        .enabled(if: DataDirectories.environment("STAGEBOX_STORE_BENCH") != nil))
    func costs() throws {
        let directory = try TemporaryDirectory()
        let time = ManualTimeSource(now: TestBlocks.start)
        let stores = StoreDirectory(root: directory.path, time: time)
        let store = try stores.tenant(TestBlocks.tenant)
        var generator = SeededGenerator(seed: 1)
        var agents = (0..<64).map { TestAgent("node-\($0)", seriesCount: 500) }
        var first = IngestCommit(number: 0, at: time.now)
        first.tables = agents.map(\.table)
        let before = Self.cpu()
        try store.commit(first)
        print("tables: \((Self.cpu() - before) / 64 * 1e3) ms CPU each of 500 series")
        var commits: [IngestCommit] = []
        var samples = 0
        for round in 0..<60 {
            var commit = IngestCommit(number: UInt64(round + 1), at: time.now)
            let times = (0..<10).map { TestBlocks.start.milliseconds + Int64(round * 10 + $0) * 1000 }
            for index in agents.indices {
                var values: [Double] = []
                for series in 0..<500 {
                    var value = Double(series * 1000 + round * 50)
                    for _ in 0..<10 {
                        if series % 3 > 0 { value += Double(Int.random(in: 0..<20, using: &generator)) }
                        values.append(value)
                    }
                }
                let batch = MetricBatch(groups: [
                    .init(timestamps: times, series: (0..<500).map { UInt32($0) }, values: values)
                ])
                samples += values.count
                commit.blocks.append(agents[index].metrics(batch, at: time.now))
                commit.dedup.append(agents[index].dedup(through: agents[index].sequence, at: time.now))
            }
            commits.append(commit)
        }
        let ready = Self.cpu()
        let wall = time.wallSeconds()
        for commit in commits { try store.commit(commit) }
        let committed = Self.cpu()
        let seconds = time.wallSeconds() - wall
        print(
            "commit: \((committed - ready) / Double(samples) * 1e9) ns CPU per sample, \(Double(samples) / seconds / 1e6) M/s"
        )
        let compactWall = time.wallSeconds()
        while try store.compactStep(isDraining: true).didWork {}
        print(
            "compaction: \((Self.cpu() - committed) / Double(samples) * 1e9) ns CPU per sample, "
                + "\(Double(samples) / (time.wallSeconds() - compactWall) / 1e6) M/s")
        let read = Self.cpu()
        var found = 0
        var cursor = try store.samples([], in: .distantPast ... .distantFuture)
        while let next = try cursor.next() { found += next.values.count }
        print("export: \((Self.cpu() - read) / Double(samples) * 1e9) ns CPU per sample")
        #expect(found == samples)
        stores.closeAll()
        print("sizes: \(store.sizes()), \(Double(store.sizes().metricsBytes) / Double(samples)) B/sample")
    }

    @Test(
        "commits of play events and their upsert",
        .enabled(if: DataDirectories.environment("STAGEBOX_STORE_BENCH") != nil))
    func eventCosts() throws {
        let test = try StoreUnderTest()
        var generator = SeededGenerator(seed: 2)
        var commits: [IngestCommit] = []
        for number in 0..<500 {
            let events = (0..<1000).map { index in
                let at = test.time.now.advanced(byMilliseconds: Int64(number * 1000 + index))
                var event = ListeningEvent(
                    id: "\(ID128(random: &generator))", kind: .play, at: at, receivedAt: at,
                    user: ID128(random: &generator))
                event[.track] = "track-\(index % 300)"
                event[.territory] = ["DE", "FR", "SE"][index % 3]
                event[.tier] = "premium"
                event[.millisecondsPlayed] = Int64.random(in: 0...240_000, using: &generator)
                return event
            }
            var commit = IngestCommit(number: UInt64(number), at: test.time.now)
            commit.blocks = [test.agent.events(events, at: test.time.now)]
            commit.dedup = [test.agent.dedup(through: test.agent.sequence, at: test.time.now)]
            commits.append(commit)
        }
        let (cpu, wall) = (Self.cpu(), test.time.wallSeconds())
        for commit in commits {
            try test.store.commit(commit)
            _ = try test.store.compactStep()
        }
        try test.drain()
        let events = 500_000.0
        print(
            "events: \((Self.cpu() - cpu) / events * 1e6) µs CPU each, \(events / (test.time.wallSeconds() - wall) / 1e3) k/s, "
                + "\(Double(test.store.sizes().eventsBytes) / events) B each")
        #expect(try TestBlocks.events(test.store).count == 500_000)
        test.close()
    }
}

extension ManualTimeSource {
    /// The kernel's clock, for figures only.
    fileprivate func wallSeconds() -> Double { Double(SystemTimeSource().monotonicNanoseconds) / 1e9 }
}
