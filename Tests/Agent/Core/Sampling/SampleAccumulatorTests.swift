import AgentCore
import Buffer
import Collectors
import Telemetry
import Testing
import WireFormat

@Suite("sample accumulator")
struct SampleAccumulatorTests {
    private func scrape(
        _ seconds: Int64, _ values: [Double], layout: UInt64 = 1, new names: [String] = [], handles: [UInt32]? = nil
    ) -> Scrape {
        Scrape(
            timestamp: Timestamp(seconds: seconds), intervalMilliseconds: 1000, layout: layout,
            newDescriptors: names.map { SeriesDescriptor(key: SeriesKey(name: $0), type: .gauge) },
            handles: handles ?? Array(0..<UInt32(values.count)), values: values)
    }

    @Test("scrapes of one layout become one group, series-major and ordered by number")
    func columns() {
        var accumulator = SampleAccumulator()
        accumulator.add(scrape(1, [20, 10], new: ["b", "a"], handles: [1, 0]))
        accumulator.add(scrape(2, [21, 11], handles: [1, 0]))
        let batch = accumulator.take()
        #expect(batch.groups.count == 1)
        #expect(batch.groups[0].timestamps == [1000, 2000])
        #expect(batch.groups[0].series == [0, 1])
        #expect(batch.groups[0].values == [10, 11, 20, 21])
        #expect(accumulator.take().sampleCount == 0)
    }

    @Test("anomalous values are marked where their series stands")
    func anomalies() {
        var accumulator = SampleAccumulator()
        accumulator.add(scrape(1, [20, 10], new: ["b", "a"], handles: [1, 0]), anomalous: [0])
        accumulator.add(scrape(2, [21, 11], handles: [1, 0]))
        accumulator.add(scrape(3, [22, 12], handles: [1, 0]), anomalous: [0, 1])
        // Series 0 is 10, 11, 12; series 1 is 20, 21, 22.
        #expect(accumulator.take().groups[0].anomalies == [0b101_100])
        accumulator.add(scrape(4, [23, 13], handles: [1, 0]))
        #expect(accumulator.take().groups[0].anomalies.isEmpty)
    }

    @Test("R21: a counter that began anew is a group of its own with its own start; gauges state none")
    func counterStarts() {
        var accumulator = SampleAccumulator()
        func add(_ seconds: Int64, layout: UInt64, start: Int64, _ values: [Double], new: [String] = []) {
            accumulator.add(
                Scrape(
                    timestamp: Timestamp(seconds: seconds), intervalMilliseconds: 1000, layout: layout,
                    newDescriptors: new.map { SeriesDescriptor(key: SeriesKey(name: $0), type: .counter) },
                    handles: [1, 0], values: values, startTimestamps: [start, 0]))
        }
        add(1, layout: 1, start: 500, [100, 7], new: ["gauge", "counter"])
        add(2, layout: 1, start: 500, [101, 7])
        add(3, layout: 2, start: 2500, [90, 7])
        let groups = accumulator.take().groups
        #expect(groups.map(\.timestamps) == [[1000, 2000], [3000]])
        #expect(groups.map(\.series) == [[0, 1], [0, 1]])
        #expect(groups.map(\.startTimestamps) == [[0, 500], [0, 2500]])
        #expect(groups.map(\.values) == [[7, 7, 100, 101], [7, 90]])
    }

    @Test("a scrape that is not later than the last one is refused and counted")
    func steppedClock() {
        var accumulator = SampleAccumulator()
        accumulator.add(scrape(5, [1], new: ["a"]))
        accumulator.add(scrape(4, [2]))
        #expect(accumulator.take().groups[0].values == [1])
        #expect(accumulator.refusedCount == 1)
    }

    @Test("pushed samples are grouped by equal timelines; a later call wins at one instant")
    func points() {
        var accumulator = SampleAccumulator()
        func push(_ name: String, _ at: Int64, _ value: Double) {
            let isTaken = accumulator.add(
                SeriesKey(name: name), .gauge, Sample(timestamp: Timestamp(seconds: at), value: value))
            #expect(isTaken)
        }
        push("a", 1, 1)
        push("b", 1, 2)
        push("c", 2, 3)
        push("c", 1, 4)
        push("a", 1, 5)
        let groups = accumulator.take().groups
        #expect(groups.map(\.timestamps) == [[1000], [1000, 2000]])
        #expect(groups.map(\.values) == [[5, 2], [4, 3]])
    }

    @Test("a batch over the bound is cut by series without losing a sample")
    func parts() {
        var accumulator = SampleAccumulator()
        let names = (0..<10).map { "s\($0)" }
        for tick in 1...7 {
            accumulator.add(
                scrape(Int64(tick), names.indices.map { Double($0 * 100 + tick) }, new: tick == 1 ? names : []))
        }
        let whole = accumulator.take()
        let parts = whole.parts(samplesMax: 20)
        #expect(parts.count > 1)
        #expect(parts.allSatisfy { $0.sampleCount <= 20 })
        #expect(parts.flatMap { $0.groups.flatMap(\.values) } == whole.groups.flatMap(\.values))
    }

    @Test("a batch with more times than a block may have is cut, too")
    func manyTimes() throws {
        var accumulator = SampleAccumulator()
        let pushed = (0..<4000).map { number in
            (
                descriptor: SeriesDescriptor(key: SeriesKey(name: "s\(number)"), type: .gauge),
                sample: Sample(timestamp: Timestamp(milliseconds: Int64(number)), value: Double(number))
            )
        }
        let batch = try #require(accumulator.columns(of: pushed)?.batch)
        let parts = batch.parts(samplesMax: 24_000)
        #expect(parts.map(\.groups.count) == [1024, 1024, 1024, 928])
        #expect(parts.flatMap { $0.groups.flatMap(\.values) } == (0..<4000).map(Double.init))
        for part in parts {
            #expect(throws: Never.self) {
                try MetricBlock.encode(part, tables: [TableReference(hash: .zero, count: 4000)])
            }
        }
    }

    @Test("tables cover new series with new tables and start over when there are too many")
    func tables() throws {
        var set = SeriesTableSet(
            encode: { $0.flatMap { Array($0.key.name.utf8) } },
            hash: { bytes in
                let mixed = bytes.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
                return ID256(high: ID128(high: mixed, low: 0), low: .zero)
            })
        var descriptors: [SeriesDescriptor] = []
        for round in 0..<12 {
            descriptors.append(SeriesDescriptor(key: SeriesKey(name: "series\(round)"), type: .gauge))
            let new = try set.cover(descriptors)
            #expect(!new.isEmpty)
            #expect(set.tables.reduce(0) { $0 + Int($1.count) } == descriptors.count)
            #expect(set.tables.count <= SeriesTableSet.partialTablesMax)
        }
        let again = try set.cover(descriptors)
        #expect(again.isEmpty)
    }

    @Test("a scrape with a series that has no room loses that one only, until there is room")
    func partialScrape() {
        var accumulator = SampleAccumulator(registry: SeriesRegistry(capacity: 2))
        accumulator.add(scrape(1, [1, 2, 3], new: ["a", "b", "c"], handles: [0, 1, 2]))
        let batch = accumulator.take()
        #expect(batch.groups.map(\.values) == [[1, 2]] && batch.groups.map(\.series) == [[0, 1]])
        #expect(accumulator.refused == [.series: 1])
    }

    @Test("a series beyond the limits of a table is refused and does not stand in the others' way")
    func hostileSeries() {
        var accumulator = SampleAccumulator()
        let name = String(repeating: "n", count: 300)
        let key = SeriesKey(name: "x", labels: [Label(name, "v")])
        let isTaken = accumulator.add(key, .gauge, Sample(timestamp: Timestamp(milliseconds: 1), value: 1))
        #expect(!isTaken && accumulator.refused == [.series: 1])
    }

    @Test("a new generation of handles begins anew; what was gathered under the old one stays")
    func generations() {
        var accumulator = SampleAccumulator()
        accumulator.add(scrape(1, [1, 2], new: ["a", "b"], handles: [0, 1]))
        var second = scrape(2, [20, 30], new: ["b", "c"], handles: [0, 1])
        second.generation = 1
        second.layout = 2
        accumulator.add(second)
        let names = accumulator.registry.descriptors.map(\.key.name)
        var found: [String: [Double]] = [:]
        for group in accumulator.take().groups {
            for (index, number) in group.series.enumerated() {
                found[names[Int(number)], default: []].append(group.values[index * group.timestamps.count])
            }
        }
        #expect(found == ["a": [1], "b": [2, 20], "c": [30]])
        #expect(accumulator.refusedCount == 0)
    }

    @Test("series that nobody uses any more give their numbers back, and come again under new ones")
    func renewal() throws {
        var accumulator = SampleAccumulator(registry: SeriesRegistry(capacity: 100))
        var tables = SeriesTableSet(encode: { $0.flatMap { Array($0.key.name.utf8) } }, hash: { _ in .zero })
        accumulator.add(scrape(1, [1], new: ["kept"], handles: [0]))
        for index in 0..<80 {
            _ = accumulator.add(
                SeriesKey(name: "p\(index)"), .gauge, Sample(timestamp: Timestamp(milliseconds: 1), value: 1))
        }
        _ = accumulator.take()
        _ = try tables.cover(accumulator.registry.descriptors, renewals: accumulator.renewals)
        for instant in 2..<1000 {
            accumulator.add(scrape(Int64(instant), [Double(instant)], handles: [0]))
            _ = accumulator.take()
            accumulator.renewIfWorthwhile()
        }
        #expect(accumulator.renewals == 1 && accumulator.registry.descriptors.map(\.key.name) == ["kept"])
        _ = try tables.cover(accumulator.registry.descriptors, renewals: accumulator.renewals)
        #expect(tables.covered == 1)
        accumulator.add(scrape(2000, [7], handles: [0]))
        _ = accumulator.add(SeriesKey(name: "p3"), .gauge, Sample(timestamp: Timestamp(milliseconds: 1), value: 3))
        #expect(accumulator.take().groups.map(\.values) == [[7], [3]])
    }

    @Test("tables are split by size, and series beyond the last table are not covered")
    func tableBounds() throws {
        var set = SeriesTableSet(
            encode: { [UInt8](repeating: 0, count: $0.count * 10_000) },
            hash: { ID256(high: ID128(high: UInt64($0.count), low: 0), low: .zero) })
        let descriptors = (0..<3000).map { SeriesDescriptor(key: SeriesKey(name: "s\($0)"), type: .gauge) }
        _ = try set.cover(descriptors)
        #expect(set.tables.allSatisfy { $0.encoded.count <= SeriesTableSet.tableBytesMax })
        #expect(set.tables.count == SeriesTableSet.tablesMax && set.covered < descriptors.count)
        #expect(set.tables.reduce(0) { $0 + Int($1.count) } == set.covered)
        #expect(SeriesTableSet.tablesMax <= BufferLimits.tablesPerRowMax)
        let batch = MetricBatch(groups: [.init(timestamps: [1, 2], series: [0, 5, 9], values: [1, 2, 3, 4, 5, 6])])
        let (kept, left) = batch.keeping(seriesBelow: 6)
        #expect(kept.groups.map(\.values) == [[1, 2, 3, 4]] && left == 2)
    }
}
