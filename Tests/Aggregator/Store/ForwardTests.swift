import Glibc
import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

/// What a receiver of forwarded samples would have.
private struct Receiver {
    var samples: [SeriesKey: [Int64: Double]] = [:]
    /// Samples that came more than once.
    var repeated = 0
    /// Samples whose series had a later one already.
    var late = 0

    mutating func take(_ batch: ForwardBatch, _ store: TenantStore) {
        for series in batch.series {
            let key = store.index.key(series.id)
            #expect(zip(series.timestamps, series.timestamps.dropFirst()).allSatisfy(<))
            for (time, value) in zip(series.timestamps, series.values) {
                if let last = samples[key]?.keys.max(), time < last { late += 1 }
                if samples[key, default: [:]].updateValue(value, forKey: time) != nil { repeated += 1 }
            }
        }
    }
}

extension StoreUnderTest {
    /// Hands on up to `batches` batches.
    /// - Returns: whether there may be more.
    @discardableResult
    fileprivate func forward(
        to receiver: inout Receiver, samplesMax: Int = 30, batches: Int = .max,
        isWanted: (SeriesID) -> Bool = { _ in true }
    ) throws -> Bool {
        for _ in 0..<batches {
            guard let state = store.forwardState,
                let batch = try store.forwardBatch(
                    state, samplesMax: samplesMax, receivedBefore: .max, isWanted: isWanted)
            else { return false }
            #expect(batch.sampleCount <= samplesMax || state.sending != nil)
            receiver.take(batch, store)
            store.countForwardLosses(batch.losses)
            try store.noteForwarded(ForwardState(next: batch.end))
        }
        return true
    }
    fileprivate func lost(_ reason: ForwardLoss) -> Double {
        stores.metrics.value(
            "stagebox_forward_lost_samples_total", "tenant", "acme", "reason", reason.rawValue) ?? 0
    }
    fileprivate func push(_ samples: [(name: String, time: Int64, value: Double)]) throws {
        var write = SampleWrite()
        for sample in samples {
            write.begin(store.pushed.add(SeriesDescriptor(key: SeriesKey(name: sample.name), type: .gauge)))
            write.append(sample.time, sample.value)
            oracle[SeriesKey(name: sample.name), default: [:]][sample.time] = sample.value
        }
        try store.commit(pushed: try store.prepare(write))
    }
    fileprivate func at(_ seconds: Int64) -> Timestamp { TestBlocks.start.advanced(byMilliseconds: seconds * 1000) }
}

@Suite("Forwarding from the store") struct ForwardTests {
    @Test("what is committed after the start is handed on once, whatever merges, restarts and comes in meanwhile")
    func model() throws {
        for seed in UInt64(1)...6 {
            let test = try StoreUnderTest()
            var random = SeededGenerator(seed: seed)
            var receiver = Receiver()
            try test.commit(from: test.at(-600))
            test.oracle = [:]
            try test.store.startForwarding()
            for step in Int64(0)..<60 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0...3: try test.commit(from: test.at(step * 10))
                case 4:
                    try test.push(
                        (0..<50).map { ("pushed_\($0 % 4)", test.at(step * 10).milliseconds + Int64($0), Double(step)) }
                    )
                case 5: try test.drain()
                case 6:
                    test.close()
                    try test.reopen()
                case 7: test.time.advance(milliseconds: 60_000)
                default:
                    try test.forward(
                        to: &receiver, samplesMax: [1, 7, 40, 1000][Int.random(in: 0..<4, using: &random)],
                        batches: Int.random(in: 1...9, using: &random))
                }
            }
            try test.forward(to: &receiver)
            #expect(receiver.samples == test.oracle, "seed \(seed)")
            #expect(receiver.repeated == 0 && receiver.late == 0, "seed \(seed)")
            #expect(test.store.forwardBacklog == (0, 0))
            test.close()
        }
    }

    @Test("after a crash exactly what was on its way comes again")
    func repetition() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding()
        for step in Int64(0)..<4 { try test.commit(from: test.at(step * 10)) }
        var state = try #require(test.store.forwardState)
        let first = try #require(
            try test.store.forwardBatch(state, samplesMax: 133, receivedBefore: .max) { _ in true })
        state.sending = first.end
        try test.store.noteForwarded(state)
        // Merged, joined by more, and asked for with another bound: it stays the same.
        try test.commit(from: test.at(40))
        try test.drain()
        test.close()
        try test.reopen()
        #expect(test.store.forwardState == state)
        let again = try #require(
            try test.store.forwardBatch(state, samplesMax: 5, receivedBefore: .min) { _ in true })
        #expect(again.end == first.end && again.sampleCount == 133)
        #expect(again.series.map(\.timestamps) == first.series.map(\.timestamps))
        #expect(again.series.map(\.values) == first.series.map(\.values))
        var receiver = Receiver()
        receiver.take(again, test.store)
        try test.store.noteForwarded(ForwardState(next: again.end))
        try test.forward(to: &receiver)
        #expect(receiver.samples == test.oracle && receiver.repeated == 0)
        test.close()
    }

    @Test(
        "a crash at any step of compaction loses nothing that waits",
        arguments: [StoreFaults.Point.afterDayFile, .afterKeeping, .afterDeletion])
    func crashes(_ point: StoreFaults.Point) throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding()
        for step in Int64(0)..<5 { try test.commit(from: test.at(step * 10)) }
        var receiver = Receiver()
        try test.forward(to: &receiver, batches: 3)
        test.store.faults.stop(at: point)
        #expect(throws: StoreFaults.Stopped.self) { try test.drain() }
        test.close()
        try test.reopen()
        try test.drain()
        try test.forward(to: &receiver)
        #expect(receiver.samples == test.oracle && receiver.repeated == 0)
        test.close()
    }

    @Test("series that are not wanted are passed over, and cost no request")
    func selection() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding()
        for step in Int64(0)..<20 { try test.commit(from: test.at(step * 10)) }
        let wanted = test.agent.labels(3)
        var receiver = Receiver()
        try test.forward(to: &receiver, samplesMax: 1000, batches: 1) { test.store.index.key($0) == wanted }
        #expect(receiver.samples == [wanted: test.oracle[wanted] ?? [:]] && receiver.samples[wanted]?.count == 200)
        test.close()
    }

    @Test("blocks that overtook each other are put in order by time; of two values at a time the last committed counts")
    func order() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding()
        let begin = TestBlocks.start.milliseconds
        try test.push([("a", begin + 2000, 2), ("a", begin + 3000, 3)])
        try test.push([("a", begin, 0), ("a", begin + 1000, 1), ("a", begin + 3000, 4)])
        var receiver = Receiver()
        try test.forward(to: &receiver, samplesMax: 100)
        #expect(receiver.samples == test.oracle && receiver.late == 0)
        test.close()
    }

    @Test("what comes out of quarantine is handed on with its corrected time")
    func quarantine() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding()
        try test.commit(from: test.at(-10_000_000), count: 3, isQuarantined: true)
        try test.commit(from: test.at(0), count: 3)
        var receiver = Receiver()
        try test.forward(to: &receiver)
        #expect(receiver.samples == test.oracle)
        var commit = IngestCommit(number: 99, at: test.time.now)
        commit.clockReferences = [
            .init(agent: test.agent.id, bootID: .zero, monotonicNanoseconds: 5, wall: test.at(100))
        ]
        try test.store.commit(commit)
        try test.drain()
        try test.forward(to: &receiver)
        #expect(receiver.samples == (try TestBlocks.everything(test.store)))
        #expect(receiver.samples.values.allSatisfy { $0.count == 6 } && receiver.repeated == 0)
        test.close()
    }

    @Test("what is deleted before its turn is neither handed on nor left in any file, and is counted")
    func deletion() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding()
        let begin = TestBlocks.start.milliseconds
        let secret = 123_456.789_012_345
        try test.push((0..<20).map { ("gone", begin + Int64($0) * 1000, secret + Double($0)) })
        try test.push((0..<20).map { ("kept", begin + Int64($0) * 1000, Double($0) / 3) })
        var receiver = Receiver()
        // Half of the first block is out already.
        try test.forward(to: &receiver, samplesMax: 10, batches: 1)
        try test.drain()
        #expect(test.store.forwardBacklog.blocks == 2)
        _ = try test.store.delete([[.equal("__name__", "gone")]], in: test.at(0)...test.at(14))
        try test.drain()
        try test.store.cleanDeletions()
        try test.forward(to: &receiver, samplesMax: 1000)
        #expect(test.lost(.deleted) == 5)
        #expect(receiver.samples[SeriesKey(name: "gone")]?.count == 15 && receiver.repeated == 0)
        #expect(receiver.samples[SeriesKey(name: "kept")] == test.oracle[SeriesKey(name: "kept")])
        test.close()
    }

    @Test("a block that waits is blanked on disk when its samples are erased")
    func erasure() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding()
        try test.commit(from: test.at(0))
        try test.drain()
        let before = try Self.bodies(test.path("forward.sqlite"))
        _ = try test.store.delete([[.equal("number", "4")]], in: test.at(0)...test.at(100))
        try test.store.cleanDeletions()
        let after = try Self.bodies(test.path("forward.sqlite"))
        #expect(before.count == 1 && after.count == 1 && before != after)
        let decoder = MetricBlockDecoder()
        try decoder.decode(try BlockBody().decompress(after[0]))
        let values = decoder.batch().groups[0].values
        #expect(Set(values[40..<50].map(\.bitPattern)).count == 1 && values[40].isNaN)
        #expect(values[30..<40].allSatisfy { $0.isFinite })
        test.close()
        // Also where the deletion is forgotten.
        unlink(test.path("deletions.sqlite"))
        try test.reopen()
        var receiver = Receiver()
        try test.forward(to: &receiver)
        #expect(test.lost(.deleted) == 10 && receiver.samples.count == 9)
        test.close()
    }

    private static func bodies(_ path: String) throws -> [[UInt8]] {
        let database = try Database(path: path, configuration: .readOnly())
        defer { database.close() }
        let statement = try database.statement("SELECT body FROM block ORDER BY id")
        var bodies: [[UInt8]] = []
        while try statement.step() { bodies.append(statement.blob(0)) }
        return bodies
    }

    @Test("beyond the backlog's bound, and beyond the retention, samples are dropped and counted")
    func bounds() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 2))
        try test.store.startForwarding()
        for step in Int64(0)..<40 { try test.commit(from: test.at(step * 10)) }
        try test.drain()
        let (blocks, bytes) = test.store.forwardBacklog
        #expect(blocks == 40)
        try test.store.trimForwardBacklog(to: bytes / 2)
        let left = test.store.forwardBacklog
        #expect(left.bytes <= bytes / 2 && left.blocks >= 19)
        #expect(test.lost(.backlogFull) == Double((40 - left.blocks) * 100))
        test.time.advance(milliseconds: 4 * 86_400_000)
        try test.commit(from: test.at(4 * 86_400))
        var receiver = Receiver()
        try test.forward(to: &receiver)
        #expect(test.lost(.retention) == Double(left.blocks * 100))
        #expect(receiver.samples.values.allSatisfy { $0.count == 10 } && receiver.samples.count == 10)
        test.close()
    }

    @Test("a damaged file is set aside: what level 0 holds is handed on; turned off, nothing of it is left")
    func damage() throws {
        let test = try StoreUnderTest()
        try test.store.startForwarding()
        try test.commit(from: test.at(0))
        test.close()
        try Files.write(Array("no database at all, whatever the name".utf8), to: test.path("forward.sqlite"))
        for suffix in ["-wal", "-shm"] { unlink(test.path("forward.sqlite") + suffix) }
        try test.reopen()
        #expect(test.store.damageReports.contains { $0.file == "forward.sqlite" })
        var receiver = Receiver()
        try test.forward(to: &receiver)
        #expect(receiver.samples == test.oracle)
        #expect(test.stores.hasForwarding(TestBlocks.tenant))
        _ = test.store.endForwarding()
        #expect(!test.stores.hasForwarding(TestBlocks.tenant) && !test.store.isForwarding)
        try test.commit(from: test.at(10))
        try test.drain()
        #expect(test.store.forwardBacklog.blocks == 0)
        test.close()
    }
}
