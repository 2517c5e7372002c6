import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

/// The store against a dictionary: whatever order of batches, duplicates, restarts and compactions, an export holds
/// every committed sample exactly once.
@Suite(.serialized, .ownThread) struct StoreModelTests {
    @Test("an export equals the oracle after random commits, duplicates, compactions and restarts", arguments: 1...12)
    func model(seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        var generator = SeededGenerator(seed: seed)
        let time = ManualTimeSource(now: TestBlocks.start)
        var agents = (0..<3).map { TestAgent("node-\($0)", seriesCount: 5 + $0 * 7) }
        var oracle: [SeriesKey: [Int64: Double]] = [:]
        var stores = StoreDirectory(
            root: directory.path, configuration: StoreConfiguration(levelZeroMillisecondsMax: 30_000), time: time)
        var store = try stores.tenant(TestBlocks.tenant)
        var number: UInt64 = 0
        var last: IngestCommit?
        var clock = TestBlocks.start.milliseconds
        for _ in 0..<120 {
            switch Int.random(in: 0..<20, using: &generator) {
            case 0:
                stores.closeAll()
                stores = StoreDirectory(
                    root: directory.path, configuration: StoreConfiguration(levelZeroMillisecondsMax: 30_000),
                    time: time)
                store = try stores.tenant(TestBlocks.tenant)
            case 1...4:
                _ = try store.compactStep(isDraining: Bool.random(using: &generator))
            case 5:
                // The same commit again, as after an unknown outcome.
                if let last { try store.commit(last) }
            case 6:
                try store.maintain()
            case 8:
                // As a crash between two durable steps.
                store.faults.stop(
                    at: Bool.random(using: &generator) ? .afterDayFile : .afterDeletion,
                    count: Int.random(in: 1...2, using: &generator))
                do {
                    while try store.compactStep(isDraining: true).didWork {}
                    store.faults.clear()
                } catch is StoreFaults.Stopped {
                    stores.closeAll()
                    stores = StoreDirectory(
                        root: directory.path, configuration: StoreConfiguration(levelZeroMillisecondsMax: 30_000),
                        time: time)
                    store = try stores.tenant(TestBlocks.tenant)
                }
            case 7:
                #expect(try TestBlocks.everything(store) == oracle, "seed \(seed)")
            default:
                number += 1
                var commit = IngestCommit(number: number, at: time.now)
                for index in agents.indices where Bool.random(using: &generator) {
                    if agents[index].sequence == 0 { commit.tables.append(agents[index].table) }
                    let samples = Self.batch(agents[index], clock, &generator)
                    commit.blocks.append(agents[index].metrics(samples, at: time.now))
                    commit.dedup.append(agents[index].dedup(through: agents[index].sequence, at: time.now))
                    for group in samples.groups {
                        for (position, series) in group.series.enumerated() {
                            let key = agents[index].labels(Int(series))
                            for (instant, timestamp) in group.timestamps.enumerated() {
                                oracle[key, default: [:]][timestamp] =
                                    group.values[position * group.timestamps.count + instant]
                            }
                        }
                    }
                }
                try store.commit(commit)
                last = commit
                clock += 10_000 * Int64.random(in: 1...200, using: &generator)
                time.advance(milliseconds: 10_000)
            }
        }
        #expect(try TestBlocks.everything(store) == oracle, "seed \(seed)")
        while try store.compactStep(isDraining: true).didWork {}
        #expect(store.sizes().levelZeroBlocks == 0)
        #expect(try TestBlocks.everything(store) == oracle, "seed \(seed)")
        stores.closeAll()
    }

    /// Sometimes late, sometimes overlapping, sometimes over midnight.
    static func batch(_ agent: TestAgent, _ clock: Int64, _ generator: inout SeededGenerator) -> MetricBatch {
        var groups: [MetricBatch.Group] = []
        let late =
            Int.random(in: 0..<6, using: &generator) == 0 ? Int64.random(in: 0...200_000, using: &generator) * 1000 : 0
        var start = clock - late
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let times = (0..<Int64.random(in: 1...10, using: &generator)).map { start + $0 * 1000 }
            let series = (0..<UInt32(agent.series.count)).filter { _ in Int.random(in: 0..<4, using: &generator) > 0 }
            guard !series.isEmpty else { continue }
            groups.append(
                MetricBatch.Group(
                    timestamps: times, series: series,
                    values: (0..<series.count * times.count).map { _ in
                        Double(Int.random(in: 0..<1000, using: &generator))
                    }))
            start = times[times.count - 1] + 1000
        }
        return MetricBatch(groups: groups)
    }
}
