import Ingest
import RuntimeSupport
import Store
import Synchronization
import Telemetry
import TestSupport
import Testing

/// What plain readers find, who read level 0 by columns, is what whole readers find in its blocks.
@Suite(.serialized, .ownThread) struct RecentColumnsTests {
    typealias Samples = [SeriesKey: [Sample]]

    /// From blocks and chunks.
    private func expected(
        _ store: TenantStore, in range: ClosedRange<Timestamp>, matching: [LabelMatcher] = []
    ) throws -> Samples {
        var found: Samples = [:]
        var cursor = try store.samples(matching, in: range)
        while let next = try cursor.next() {
            found[next.series.descriptor.key] = zip(next.timestamps, next.values).map {
                Sample(timestamp: Timestamp(milliseconds: $0), value: $1)
            }
        }
        return found
    }

    /// As the query engine reads.
    private func found(
        _ store: TenantStore, in range: ClosedRange<Timestamp>, tells: Bool = false, matching: [LabelMatcher] = [],
        halfway: () throws -> Void = {}
    ) throws -> Samples {
        let places = store.index.places(of: store.index.select(matching, in: range))
        var reader = store.scope(in: range, of: tells ? WantedSeries(places) : nil).reader()
        var found: Samples = [:]
        var (times, values) = ([Int64](), [Double]())
        for (number, place) in places.enumerated() {
            if number == places.count / 2 { try halfway() }
            let start = times.count
            try reader.read(place, &times, &values)
            #expect(times.count == values.count)
            guard times.count > start else { continue }
            found[store.index.key(place.id)] = (start..<times.count).map {
                Sample(timestamp: Timestamp(milliseconds: times[$0]), value: values[$0])
            }
        }
        return found
    }

    private static let ever = Timestamp.distantPast...Timestamp.distantFuture

    private func same(_ left: Samples, _ right: Samples) -> Bool {
        // Bit by bit: staleness markers are NaN.
        left.keys == right.keys
            && left.allSatisfy { key, samples in
                guard let other = right[key], other.count == samples.count else { return false }
                return zip(samples, other).allSatisfy {
                    $0.timestamp == $1.timestamp && $0.value.bitPattern == $1.value.bitPattern
                }
            }
    }

    @Test(
        "they are the same over late, repeated and overlapping blocks, chunks, pushes, markers, deletions and crashes",
        arguments: 1...16)
    func model(seed: UInt64) throws {
        // Without room, with room for some series, for some agents, for all.
        let room = [0, 2_000, 20_000, 1 << 20][Int(seed % 4)]
        let test = try StoreUnderTest(
            StoreConfiguration(levelZeroMillisecondsMax: 30_000, headColumnBytesMax: room))
        var generator = SeededGenerator(seed: seed)
        var agents = (0..<3).map { TestAgent("node-\($0)", seriesCount: 5 + $0 * 7) }
        var clock = TestBlocks.start.milliseconds
        var last: IngestCommit?
        for round in 0..<90 {
            switch Int.random(in: 0..<16, using: &generator) {
            case 0...1: _ = try test.store.compactStep(isDraining: Bool.random(using: &generator))
            case 2: try push(agents, test.store, clock, &generator)
            case 3 where round % 3 == 0:
                let start = clock - Int64.random(in: 0...3_600_000, using: &generator)
                let matchers = [LabelMatcher.equal("number", "\(Int.random(in: 0..<8, using: &generator))")]
                _ = try test.store.delete(
                    [matchers], in: Timestamp(milliseconds: start)...Timestamp(milliseconds: clock))
            case 4: if let last { try test.store.commit(last) }
            case 5 where round % 5 == 0:
                test.store.faults.stop(at: Bool.random(using: &generator) ? .afterDayFile : .afterDeletion)
                try? test.drain()
                test.store.faults.clear()
                #expect(same(try found(test.store, in: Self.ever), try expected(test.store, in: Self.ever)))
                test.close()
                try test.reopen()
            case 6...9:
                let end = clock - Int64.random(in: -100_000...2_000_000, using: &generator)
                let range =
                    Timestamp(
                        milliseconds: end - Int64.random(in: 0...9_000_000, using: &generator))...Timestamp(
                        milliseconds: end)
                let one = [LabelMatcher.equal("number", "\(Int.random(in: 0..<8, using: &generator))")]
                let matching = Bool.random(using: &generator) ? one : []
                let expected = try expected(test.store, in: range, matching: matching)
                // What is merged meanwhile is neither lost nor told twice.
                let moves = Int.random(in: 0..<3, using: &generator) == 0
                let found = try found(
                    test.store, in: range, tells: Bool.random(using: &generator), matching: matching
                ) { if moves { try test.drain() } }
                #expect(same(found, expected), "seed \(seed), round \(round)")
                #expect(test.store.sizes().columnBytes <= room)
            default:
                test.number += 1
                var commit = IngestCommit(number: test.number, at: test.time.now)
                for index in agents.indices where Bool.random(using: &generator) {
                    if agents[index].sequence == 0 { commit.tables.append(agents[index].table) }
                    var batch = StoreModelTests.batch(agents[index], clock, &generator)
                    for group in batch.groups.indices {
                        for value in batch.groups[group].values.indices
                        where Int.random(in: 0..<20, using: &generator) == 0 {
                            batch.groups[group].values[value] = Double(bitPattern: 0x7FF0_0000_0000_0002)
                        }
                    }
                    commit.blocks.append(agents[index].metrics(batch, at: test.time.now))
                    commit.dedup.append(agents[index].dedup(through: agents[index].sequence, at: test.time.now))
                }
                try test.store.commit(commit)
                last = commit
                clock += 10_000 * Int64.random(in: 1...40, using: &generator)
                test.time.advance(milliseconds: Int64.random(in: 1...40_000, using: &generator))
            }
        }
        #expect(same(try found(test.store, in: Self.ever), try expected(test.store, in: Self.ever)))
        test.close()
    }

    /// Some series of their own, in changing company, and some that agents deliver, too.
    private func push(
        _ agents: [TestAgent], _ store: TenantStore, _ clock: Int64, _ generator: inout SeededGenerator
    ) throws {
        var write = SampleWrite()
        for number in 0..<9 where Bool.random(using: &generator) {
            let key =
                number < 3
                ? agents[number].labels(number) : SeriesKey(name: "pushed", labels: [Label("number", "\(number)")])
            write.begin(store.pushed.add(SeriesDescriptor(key: key, type: .gauge)))
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                write.append(
                    clock - Int64.random(in: 0..<600, using: &generator) * 1000,
                    Double(Int.random(in: 0..<5, using: &generator)))
            }
        }
        try store.commit(pushed: try store.prepare(write))
    }

    @Test("columns go with the blocks that are merged, and grow by those that come")
    func growth() throws {
        let test = try StoreUnderTest()
        var bytes: [Int] = []
        for step in 0..<3 {
            try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 10_000))
            #expect(try found(test.store, in: Self.ever).values.allSatisfy { $0.count == 10 * (step + 1) })
            bytes.append(test.store.sizes().columnBytes)
        }
        #expect(bytes[0] > 0 && bytes[1] == 2 * bytes[0] && bytes[2] == 3 * bytes[0])
        try test.drain()
        #expect(test.store.sizes().columnBytes == 0)
        #expect(try found(test.store, in: Self.ever).values.allSatisfy { $0.count == 30 })
        #expect(test.store.sizes().columnBytes == 0)
        test.close()
    }

    @Test("an agent that rests makes room for another after a minute, and not before")
    func room() throws {
        // 10 series with 10 samples each: 1,200 B, and three quarters of the room are 1,500 B.
        let test = try StoreUnderTest(StoreConfiguration(headColumnBytesMax: 2_000))
        try test.commit(from: TestBlocks.start)
        _ = try found(test.store, in: Self.ever)
        var other = TestAgent("other", seriesCount: 10)
        var commit = IngestCommit(number: 2, at: test.time.now)
        commit.tables = [other.table]
        let times = (0..<5).map { TestBlocks.start.milliseconds + $0 * 1000 }
        commit.blocks = [
            other.metrics(
                MetricBatch(groups: [
                    .init(timestamps: times, series: Array(0..<10), values: Array(repeating: 1, count: 50))
                ]), at: test.time.now)
        ]
        try test.store.commit(commit)
        #expect(try found(test.store, in: Self.ever).count == 20)
        #expect(test.store.sizes().columnBytes == 1_200)
        // One series of it has room.
        let one = [LabelMatcher.equal("instance", "other"), LabelMatcher.equal("number", "3")]
        #expect(try found(test.store, in: Self.ever, tells: true, matching: one).count == 1)
        // Five samples, a column, a list of ten series.
        #expect(test.store.sizes().columnBytes == 1_200 + 60 + 64 + 40 + 8 + 128)
        test.time.advance(milliseconds: 61_000)
        // Only the other one is asked for.
        let places = test.store.index.places(
            of: test.store.index.select([.equal("instance", "other")], in: Self.ever))
        var reader = test.store.scope(in: Self.ever).reader()
        var (found, values) = ([Int64](), [Double]())
        for place in places { try reader.read(place, &found, &values) }
        #expect(found.count == 50)
        #expect(test.store.sizes().columnBytes == 600)
        test.close()
    }

    @Test("readers on two threads see every sample once while blocks come and are merged")
    func threads() throws {
        let test = try StoreUnderTest(StoreConfiguration(levelZeroMillisecondsMax: 0))
        let store = test.store
        try test.commit(from: TestBlocks.start)
        let committed = Atomic<Int>(1)
        let failures = Mutex<[String]>([])
        var workers: [Worker] = []
        let isDone = Atomic<Bool>(false)
        for _ in 0..<2 {
            workers.append(
                Worker {
                    while !isDone.load(ordering: .acquiring) {
                        let before = committed.load(ordering: .acquiring)
                        do {
                            let places = store.index.places(of: store.index.select([], in: Self.ever))
                            var reader = store.scope(in: Self.ever).reader()
                            for place in places {
                                var (times, values) = ([Int64](), [Double]())
                                try reader.read(place, &times, &values)
                                let after = committed.load(ordering: .acquiring) + 1
                                let isAscending = zip(times, times.dropFirst()).allSatisfy { $0 < $1 }
                                if times.count < before * 10 || times.count > after * 10 || !isAscending {
                                    failures.withLock { $0.append("\(times.count) of \(before) to \(after) batches") }
                                }
                            }
                        } catch {
                            failures.withLock { $0.append("\(error)") }
                        }
                    }
                })
        }
        for step in 1..<80 {
            try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 10_000))
            committed.store(step + 1, ordering: .releasing)
            if step % 9 == 0 { _ = try store.compactStep(isDraining: true) }
        }
        isDone.store(true, ordering: .releasing)
        for worker in workers { worker.wait() }
        #expect(failures.withLock { Array($0.prefix(5)) } == [])
        test.close()
    }
}
