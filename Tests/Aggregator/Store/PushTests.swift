import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing

@Suite("Pushed samples") struct PushTests {
    private static func key(_ number: Int) -> SeriesKey {
        SeriesKey(name: "pushed_\(number % 3)", labels: [Label("number", "\(number)"), Label("job", "writer")])
    }

    private static func write(_ store: TenantStore, _ samples: [(series: Int, time: Int64, value: Double)]) throws {
        var write = SampleWrite()
        for sample in samples {
            write.begin(store.pushed.add(SeriesDescriptor(key: key(sample.series), type: .gauge)))
            write.append(sample.time, sample.value)
        }
        try store.commit(pushed: try store.prepare(write))
    }

    @Test("samples of any time and order are there at once, after compaction and after a restart; the last value wins")
    func anyOrder() throws {
        let test = try StoreUnderTest(StoreConfiguration(metricsRetentionDays: 36_500))
        var generator = SeededGenerator(seed: 7)
        var oracle: [SeriesKey: [Int64: Double]] = [:]
        for round in 0..<12 {
            let samples = (0..<400).map { _ in
                let series = Int.random(in: 0..<(20 + round * 10), using: &generator)
                // Minutes around 1970 and around now, in steps that collide.
                let base: Int64 = Bool.random(using: &generator) ? 0 : TestBlocks.start.milliseconds
                return (series, base + Int64.random(in: 0..<500, using: &generator) * 60_000, Double(round))
            }
            try Self.write(test.store, samples)
            for sample in samples { oracle[Self.key(sample.0), default: [:]][sample.1] = sample.2 }
            switch round % 4 {
            case 1: try test.drain()
            case 3: try test.reopen()
            default: break
            }
            #expect(try TestBlocks.everything(test.store) == oracle)
        }
        #expect(test.store.pushed.count == oracle.count)
        try test.drain()
        #expect(try TestBlocks.everything(test.store) == oracle)
        test.close()
    }

    @Test("a push of series that are known is one transaction of one file")
    func oneTransaction() throws {
        let test = try StoreUnderTest()
        var sizes: [Int64] = []
        for second in 0..<4 as Range<Int64> {
            try Self.write(test.store, [(1, TestBlocks.start.milliseconds + second * 1000, 1)])
            sizes.append(Database.fileBytes(test.path("index.sqlite-wal")))
        }
        #expect(sizes[0] > 0 && Set(sizes).count == 1)
        test.close()
    }

    @Test("a long run of one series, and thousands of series with times of their own, become several blocks")
    func large() throws {
        let test = try StoreUnderTest()
        let start = TestBlocks.start.milliseconds - 1_000_000_000
        var oracle: [SeriesKey: [Int64: Double]] = [:]
        var write = SampleWrite()
        let long = test.store.pushed.add(SeriesDescriptor(key: Self.key(0), type: .counter))
        write.begin(long)
        for index in (0..<150_000).reversed() {
            write.append(start + Int64(index) * 1000, Double(index))
            oracle[Self.key(0), default: [:]][start + Int64(index) * 1000] = Double(index)
        }
        for series in 1..<3000 {
            write.begin(test.store.pushed.add(SeriesDescriptor(key: Self.key(series), type: .gauge)))
            write.append(start + Int64(series), Double(series))
            oracle[Self.key(series)] = [start + Int64(series): Double(series)]
        }
        let blocks = try test.store.prepare(write)
        #expect(blocks.count > 2)
        try test.store.commit(pushed: blocks)
        #expect(try TestBlocks.everything(test.store) == oracle)
        try test.drain()
        #expect(try TestBlocks.everything(test.store) == oracle)
        test.close()
    }

    @Test("a series that an agent sends and somebody pushes is one series with the samples of both")
    func shared() throws {
        let test = try StoreUnderTest()
        try test.commit(from: TestBlocks.start)
        let key = test.agent.labels(0)
        let own = try #require(test.oracle[key])
        let time = TestBlocks.start.milliseconds - 60_000
        for round in 0..<2 {
            var write = SampleWrite()
            write.begin(test.store.pushed.add(SeriesDescriptor(key: key, type: .counter)))
            write.append(time + Int64(round), 5)
            try test.store.commit(pushed: try test.store.prepare(write))
            if round == 0 { try test.reopen() }
        }
        let expected = own.merging([time: 5, time + 1: 5]) { $1 }
        #expect(try TestBlocks.everything(test.store)[key] == expected)
        try test.drain()
        try test.reopen()
        #expect(try TestBlocks.everything(test.store)[key] == expected)
        test.close()
    }
}
