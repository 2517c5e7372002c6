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
    /// Of noise whose entropy is 1.23; all files of the tenant but the index, as in the other figure.
    static let bytesPerNoisySampleMax = 1.27
    static let hosts = 100

    @Test(
        "one pass of proc-1s takes at most 0.35 bytes per sample after compaction",
        .enabled(if: DataDirectories.data != nil))
    func procOneSecond() throws {
        let recording = try #require(ProcRecording(DataDirectories.data ?? ""))
        // Ten seconds to a batch, as an agent flushes them.
        let figures = try store(
            "proc-1s", recording.series, times: recording.times, values: recording.values, batchTicks: 10)
        #expect(figures.perSample <= Self.bytesPerSampleMax)
        #expect(figures.perRolledSample > 0 && figures.perRolledSample < Self.bytesPerSampleMax / 6)
    }

    @Test("four hours of made-up servers, mostly noise, take at most 1.27 bytes per sample after compaction")
    func fleet() throws {
        let series = (0..<Self.hosts * FleetSamples.seriesPerHost).map { number in
            SeriesDescriptor(
                key: SeriesKey(
                    name: "metric_\(number % FleetSamples.seriesPerHost)",
                    labels: [Label("host", "host_\(number / FleetSamples.seriesPerHost)")]), type: .gauge)
        }
        var sources = series.indices.map {
            let (host, own) = $0.quotientAndRemainder(dividingBy: FleetSamples.seriesPerHost)
            return FleetSamples(host: host, series: own)
        }
        // Neither begins nor ends with a window of chunks.
        let times = (0..<1440).map { 1_700_000_000_000 + Int64($0) * 10_000 }
        let values = times.map { _ in sources.indices.map { sources[$0].sample() } }
        let figures = try store("made-up servers", series, times: times, values: values, batchTicks: 6)
        #expect(figures.perSample <= Self.bytesPerNoisySampleMax)
    }

    /// Commits batches, merging every five minutes as in service, and then compacts all.
    /// - Parameter values: by tick, then series.
    /// - Returns: bytes of the files per sample, and of the rollups per sample that they stand for.
    private func store(
        _ label: String, _ series: [SeriesDescriptor], times: [Int64], values: [[Double]], batchTicks: Int
    ) throws -> (perSample: Double, perRolledSample: Double) {
        let directory = try TemporaryDirectory()
        let time = ManualTimeSource(now: Timestamp(milliseconds: times[0]))
        let stores = StoreDirectory(root: directory.path, time: time)
        let store = try stores.tenant(TestBlocks.tenant)
        var agent = TestAgent("node", series: series)
        var samples = 0
        for start in stride(from: 0, to: times.count, by: batchTicks) {
            let ticks = start..<min(start + batchTicks, times.count)
            var block: [Double] = []
            for series in series.indices {
                for tick in ticks { block.append(values[tick][series]) }
            }
            let batch = MetricBatch(groups: [
                .init(
                    timestamps: ticks.map { times[$0] }, series: series.indices.map { UInt32($0) }, values: block)
            ])
            samples += block.count
            var commit = IngestCommit(number: UInt64(start), at: time.now)
            if start == 0 { commit.tables = [agent.table] }
            commit.blocks = [agent.metrics(batch, at: time.now)]
            commit.dedup = [agent.dedup(through: agent.sequence, at: time.now)]
            try store.commit(commit)
            time.advance(milliseconds: times[ticks.upperBound - 1] - times[start] + times[1] - times[0])
            _ = try store.compactStep()
        }
        time.advance(milliseconds: 3 * 7_200_000)
        while try store.compactStep(isDraining: true).didWork {}
        try store.maintain()
        var numbers: [SeriesKey: Int] = [:]
        for index in series.indices { numbers[agent.labels(index)] = index }
        var cursor = try store.samples([], in: .distantPast ... .distantFuture)
        var found = 0
        while let next = try cursor.next() {
            let number = try #require(numbers[next.series.descriptor.key])
            found += next.values.count
            guard next.timestamps == times, next.values == values.map({ $0[number] }) else {
                Issue.record("series \(number) came back otherwise")
                return (0, 0)
            }
        }
        #expect(found == samples)
        stores.closeAll()
        let sizes = store.sizes()
        let bytes = sizes.ingestBytes + sizes.metricsBytes + sizes.eventsBytes
        let perSample = Double(bytes) / Double(samples)
        print(
            "stored, \(label): \(perSample) B/sample: metrics \(sizes.metricsBytes), ingest \(sizes.ingestBytes), events \(sizes.eventsBytes)"
                + ", index apart \(sizes.indexBytes); \(samples) samples")
        let perRolledSample = Double(sizes.rollupBytes) / Double(samples)
        print(
            "rollups of both tiers, \(label): \(sizes.rollupBytes) B in files, \(perRolledSample) B per sample that they stand for"
        )
        return (perSample, perRolledSample)
    }
}
