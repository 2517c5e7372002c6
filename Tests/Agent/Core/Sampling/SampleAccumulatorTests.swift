import AgentCore
import Collectors
import Telemetry
import Testing

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
            #expect(set.tables.count <= SeriesTableSet.tablesMax)
        }
        let again = try set.cover(descriptors)
        #expect(again.isEmpty)
    }
}
