import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite(.serialized, .ownThread) struct StorageBudgetTests {
    /// Must of the figures table; the aim is 0.22.
    static let bytesPerSampleMax = 0.35

    @Test(
        "one pass of proc-1s takes at most 0.35 bytes per sample after compaction",
        .enabled(if: DataDirectories.data != nil))
    func procOneSecond() throws {
        let recording = try #require(ProcRecording(DataDirectories.data ?? ""))
        let directory = try TemporaryDirectory()
        let time = ManualTimeSource(now: Timestamp(milliseconds: recording.times[0]))
        let stores = StoreDirectory(root: directory.path, time: time)
        let store = try stores.tenant(TestBlocks.tenant)
        var agent = TestAgent("node", series: recording.series)
        var samples = 0
        // Ten seconds to a batch, as an agent flushes them; merged every five minutes, as in service.
        for start in stride(from: 0, to: recording.times.count, by: 10) {
            let ticks = start..<min(start + 10, recording.times.count)
            var values: [Double] = []
            for series in recording.series.indices {
                for tick in ticks { values.append(recording.values[tick][series]) }
            }
            let batch = MetricBatch(groups: [
                .init(
                    timestamps: ticks.map { recording.times[$0] }, series: recording.series.indices.map { UInt32($0) },
                    values: values)
            ])
            samples += values.count
            var commit = IngestCommit(number: UInt64(start), at: time.now)
            if start == 0 { commit.tables = [agent.table] }
            commit.blocks = [agent.metrics(batch, at: time.now)]
            commit.dedup = [agent.dedup(through: agent.sequence, at: time.now)]
            try store.commit(commit)
            time.advance(milliseconds: 10_000)
            _ = try store.compactStep()
        }
        time.advance(milliseconds: 3 * 7_200_000)
        while try store.compactStep(isDraining: true).didWork {}
        try store.maintain()
        let found = try TestBlocks.everything(store)
        #expect(found.values.reduce(0) { $0 + $1.count } == samples)
        for series in recording.series.indices {
            let stored = found[agent.labels(series)]
            for (tick, timestamp) in recording.times.enumerated()
            where stored?[timestamp] != recording.values[tick][series] {
                Issue.record(
                    "series \(series) tick \(tick): \(stored?[timestamp] as Any) is not \(recording.values[tick][series])"
                )
                return
            }
        }
        stores.closeAll()
        let sizes = store.sizes()
        let bytes = sizes.ingestBytes + sizes.metricsBytes + sizes.eventsBytes
        let perSample = Double(bytes) / Double(samples)
        print(
            "stored: \(perSample) B/sample: metrics \(sizes.metricsBytes), ingest \(sizes.ingestBytes), events \(sizes.eventsBytes)"
                + ", index apart \(sizes.indexBytes); \(samples) samples")
        #expect(perSample <= Self.bytesPerSampleMax)
        let perSampleRolled = Double(sizes.rollupBytes) / Double(samples)
        print(
            "rollups of both tiers: \(sizes.rollupBytes) B in files, \(perSampleRolled) B per sample that they stand for"
        )
        #expect(sizes.rollupBytes > 0 && perSampleRolled < perSample / 4)
    }
}
