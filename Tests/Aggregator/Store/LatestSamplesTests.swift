import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing

/// The last samples of many series at once are those that reading each series gives.
@Suite(.serialized, .ownThread) struct LatestSamplesTests {
    /// What reading everything in range gives.
    private func expected(_ store: TenantStore, in range: ClosedRange<Timestamp>) throws -> [SeriesKey: Sample] {
        var found: [SeriesKey: Sample] = [:]
        var cursor = try store.samples([], in: range)
        while let next = try cursor.next() {
            guard let time = next.timestamps.last, let value = next.values.last else { continue }
            found[next.series.descriptor.key] = Sample(timestamp: Timestamp(milliseconds: time), value: value)
        }
        return found
    }

    /// In chunks, as the query engine asks.
    private func found(_ store: TenantStore, in range: ClosedRange<Timestamp>) throws -> [SeriesKey: Sample] {
        let places = store.index.places(of: store.index.select([], in: range))
        let scope = store.scope(in: range)
        let latest = LatestSamples(scope, WantedSeries(places))
        var reader = scope.reader()
        var found: [SeriesKey: Sample] = [:]
        for start in stride(from: 0, to: places.count, by: 7) {
            let chunk = places[start..<min(start + 7, places.count)]
            var (times, values) = ([Int64](), [Double]())
            try reader.readLast(chunk, from: latest, &times, &values)
            #expect(times.count == chunk.count && values.count == chunk.count)
            for (place, (time, value)) in zip(chunk, zip(times, values)) where time != .min {
                found[store.index.key(place.id)] = Sample(timestamp: Timestamp(milliseconds: time), value: value)
            }
        }
        return found
    }

    @Test(
        "they are the same over blocks, chunks, late samples, pushes of agents' series and deletions",
        arguments: 1...10)
    func model(seed: UInt64) throws {
        let test = try StoreUnderTest(StoreConfiguration(levelZeroMillisecondsMax: 30_000))
        var generator = SeededGenerator(seed: seed)
        var agents = (0..<3).map { TestAgent("node-\($0)", seriesCount: 5 + $0 * 7) }
        var clock = TestBlocks.start.milliseconds
        for round in 0..<60 {
            switch Int.random(in: 0..<12, using: &generator) {
            case 0...1: _ = try test.store.compactStep(isDraining: Bool.random(using: &generator))
            case 2: try push(agents, test.store, clock, &generator)
            case 3 where round % 3 == 0:
                let start = clock - Int64.random(in: 0...3_600_000, using: &generator)
                let matchers = [LabelMatcher.equal("number", "\(Int.random(in: 0..<8, using: &generator))")]
                _ = try test.store.delete(
                    [matchers], in: Timestamp(milliseconds: start)...Timestamp(milliseconds: clock))
            case 4...6:
                let end = clock - Int64.random(in: -100_000...2_000_000, using: &generator)
                let range =
                    Timestamp(
                        milliseconds: end - Int64.random(in: 0...900_000, using: &generator))...Timestamp(
                        milliseconds: end)
                let expected = try expected(test.store, in: range)
                let found = try found(test.store, in: range)
                #expect(found == expected, "seed \(seed), round \(round)")
            default:
                test.number += 1
                var commit = IngestCommit(number: test.number, at: test.time.now)
                for index in agents.indices where Bool.random(using: &generator) {
                    if agents[index].sequence == 0 { commit.tables.append(agents[index].table) }
                    commit.blocks.append(
                        agents[index].metrics(
                            StoreModelTests.batch(agents[index], clock, &generator), at: test.time.now))
                    commit.dedup.append(agents[index].dedup(through: agents[index].sequence, at: test.time.now))
                }
                try test.store.commit(commit)
                clock += 10_000 * Int64.random(in: 1...40, using: &generator)
                test.time.advance(milliseconds: 10_000)
            }
        }
        let ever = Timestamp.distantPast...Timestamp.distantFuture
        let expected = try expected(test.store, in: ever)
        let found = try found(test.store, in: ever)
        #expect(found == expected)
        test.close()
    }

    /// Some series of their own, and some that agents deliver, too.
    private func push(
        _ agents: [TestAgent], _ store: TenantStore, _ clock: Int64, _ generator: inout SeededGenerator
    ) throws {
        var write = SampleWrite()
        for number in 0..<6 {
            let key =
                number < 3
                ? agents[number].labels(number) : SeriesKey(name: "pushed", labels: [Label("number", "\(number)")])
            write.begin(store.pushed.add(SeriesDescriptor(key: key, type: .gauge)))
            write.append(clock - Int64.random(in: 0..<600, using: &generator) * 1000, Double(number))
        }
        try store.commit(pushed: try store.prepare(write))
    }
}
