import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

/// What compaction and the merging of windows may not change: values, times, anomaly bits, counters' starts.
@Suite struct MergeTests {
    private struct Samples: Equatable {
        var timestamps: [Int64]
        var values: [UInt64]
        var anomalies: [Int]
        var starts: [Int64]
    }

    private static func everything(_ store: TenantStore) throws -> [SeriesKey: Samples] {
        var found: [SeriesKey: Samples] = [:]
        var cursor = try store.samples([], in: .distantPast ... .distantFuture)
        while let next = try cursor.next() {
            found[next.series.descriptor.key] = Samples(
                timestamps: next.timestamps, values: next.values.map(\.bitPattern), anomalies: next.anomalies,
                starts: next.startTimestamps)
        }
        return found
    }

    /// Blocks that change places, lie apart, overlap, and hold now all and now some series; series that rest, that
    /// rest until the middle, and that move; counters that start anew; anomalies; NaN and -0.0.
    private static func blocks(_ generator: inout SeededGenerator, overlapping: Bool) -> [MetricBatch] {
        var batches = (0..<24).map { block -> MetricBatch in
            let base = TestBlocks.start.milliseconds + Int64(block) * 10_000
            let back = overlapping && block % 5 == 4 ? Int64(7000) : 0
            let times = (0..<Int64(block % 3 == 0 ? 1 : 10)).map { base - back + $0 * 1000 }
            let all: [UInt32] = block % 4 == 3 ? [0, 2, 3, 5, 7, 11] : Array(0..<12)
            let split = block % 6 == 5 ? 3 : 0
            var groups: [MetricBatch.Group] = []
            for series in [Array(all.prefix(split)), Array(all.dropFirst(split))] where !series.isEmpty {
                var values: [Double] = []
                for number in series {
                    for instant in times.indices {
                        switch number % 6 {
                        case 0: values.append(Double(number))
                        case 1: values.append(block < 12 ? 5 : Double(Int.random(in: 0..<9, using: &generator)))
                        case 2: values.append(Double(block * 10 + instant))
                        case 3: values.append(Double.random(in: 0..<1, using: &generator))
                        case 4: values.append(block % 7 == 0 ? .nan : -0.0)
                        default: values.append(Double(Int.random(in: 0..<100_000, using: &generator)) / 100)
                        }
                    }
                }
                var anomalies = [UInt64](repeating: 0, count: (values.count + 63) / 64)
                if block % 5 == 2 { anomalies[0] = 0b1001 }
                groups.append(
                    MetricBatch.Group(
                        timestamps: times, series: series, values: values,
                        startTimestamps: block % 8 == 1
                            ? [] : series.map { $0 % 2 == 0 ? TestBlocks.start.milliseconds - Int64(block / 9) : 0 },
                        anomalies: anomalies.contains { $0 != 0 } ? anomalies : []))
            }
            return MetricBatch(groups: groups)
        }
        for index in batches.indices.dropLast() where Int.random(in: 0..<3, using: &generator) == 0 {
            batches.swapAt(index, index + 1)
        }
        return batches
    }

    @Test("compaction and merging change nothing", arguments: 1...6, [0, StoreLimits.headDecodedBytesMax])
    func unchanged(seed: UInt64, decodedBytesMax: Int) throws {
        let directory = try TemporaryDirectory()
        let time = ManualTimeSource(now: TestBlocks.start)
        let stores = StoreDirectory(
            root: directory.path, configuration: StoreConfiguration(headDecodedBytesMax: decodedBytesMax), time: time)
        let store = try stores.tenant(TestBlocks.tenant)
        var generator = SeededGenerator(seed: seed)
        var agent = TestAgent("node-1", seriesCount: 12)
        for (number, batch) in Self.blocks(&generator, overlapping: seed % 2 == 0).enumerated() {
            var commit = IngestCommit(number: UInt64(number + 1), at: time.now)
            if number == 0 { commit.tables = [agent.table] }
            commit.blocks = [agent.metrics(batch, at: time.now)]
            commit.dedup = [agent.dedup(through: agent.sequence, at: time.now)]
            try store.commit(commit)
        }
        let before = try Self.everything(store)
        #expect(before.count == 12)
        #expect(before.values.contains { !$0.anomalies.isEmpty } && before.values.contains { !$0.starts.isEmpty })
        // In several parts, so that windows have something to merge.
        for _ in 0..<3 {
            _ = try store.compactStep(budgetSamples: 600, isDraining: true)
            #expect(try Self.everything(store) == before, "seed \(seed)")
        }
        while try store.compactStep(isDraining: true).didWork {}
        #expect(store.sizes().levelZeroBlocks == 0)
        #expect(try Self.everything(store) == before, "seed \(seed)")
        stores.closeAll()
    }
}
