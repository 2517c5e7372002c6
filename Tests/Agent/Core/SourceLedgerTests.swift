import AgentCore
import Collectors
import Sources
import Telemetry
import Testing
import WireFormat

@Suite("sources: the ledger of series")
struct SourceLedgerTests {
    private let start = Timestamp(seconds: 1_767_225_600)
    private func reading(_ name: String, _ value: Double, start: Int64 = 0) -> SourceReading {
        SourceReading(SeriesKey(name: name), .gauge, value, startMilliseconds: start)
    }

    /// What the engine's accumulator makes of all deliveries, as series → values by time.
    private struct Engine {
        var accumulator = SampleAccumulator()
        mutating func take(_ delivery: SourceDelivery) { accumulator.add(delivery.scrape, from: .sources) }
        mutating func values() -> [String: [Double]] {
            let names = accumulator.registry.descriptors.map(\.key.name)
            var values: [String: [Double]] = [:]
            for group in accumulator.take().groups {
                for (index, number) in group.series.enumerated() {
                    let count = group.timestamps.count
                    values[names[Int(number)], default: []] += group.values[index * count..<(index + 1) * count]
                }
            }
            return values
        }
    }

    @Test("what a unit no longer reports ends with one marker; what comes back goes on")
    func staleness() {
        let ledger = SourceLedger()
        var engine = Engine()
        for (second, names) in [["a", "b"], ["a"], ["a"], ["a", "b"], []].enumerated() {
            let readings = names.map { reading($0, Double(second)) }
            let time = start.advanced(byMilliseconds: Int64(second) * 1000)
            let drops = ledger.report("unit", readings, at: time) {
                engine.take($0)
                return true
            }
            #expect(drops.isEmpty)
        }
        let values = engine.values().mapValues { $0.map { Staleness.isMarker($0) ? -1 : $0 } }
        #expect(values == ["a": [0, 1, 2, 3, -1], "b": [0, -1, 3, -1]])
    }

    @Test("numbers of series that nobody reports any more are given again, to the right names")
    func churn() {
        let ledger = SourceLedger(capacity: 40)
        var engine = Engine()
        for round in 0..<2000 {
            let drops = ledger.report("unit", [reading("steady", 1), reading("s\(round)", Double(round))], at: start) {
                engine.take($0)
                return true
            }
            #expect(drops.isEmpty, "\(round)")
            let values = engine.values().filter { !$0.value.contains { Staleness.isMarker($0) } }
            #expect(values["steady"] == [1] && values["s\(round)"] == [Double(round)], "\(round)")
        }
        #expect(ledger.seriesCount <= 40)
    }

    @Test("the marker's bits survive the wire")
    func wire() throws {
        let batch = MetricBatch(groups: [
            .init(timestamps: [1, 2, 3], series: [0], values: [1.5, Staleness.marker, 2])
        ])
        let table = TableReference(hash: ID256.zero, count: 1)
        let decoder = MetricBlockDecoder()
        try decoder.decode(try MetricBlockEncoder().encode(batch, tables: [table]))
        #expect(decoder.allValues.map(\.bitPattern) == batch.groups[0].values.map(\.bitPattern))
    }

    @Test("one unit's series is no other's until it is given up; repeats in a report are dropped")
    func owners() {
        let ledger = SourceLedger()
        func report(_ unit: String, _ names: [String], at second: Int64) -> DropCounts {
            ledger.report(unit, names.map { reading($0, 1) }, at: start.advanced(byMilliseconds: second * 1000)) { _ in
                true
            }
        }
        #expect(report("one", ["a", "a"], at: 0)[.duplicate] == 1)
        #expect(report("two", ["a", "b"], at: 1)[.duplicate] == 1)
        #expect(report("one", [], at: 2).isEmpty)
        #expect(report("two", ["a", "b"], at: 3).isEmpty)
        #expect(ledger.seriesCount == 2)
    }

    @Test("a full queue loses a report, not the names of its series")
    func fullQueue() {
        let ledger = SourceLedger()
        var engine = Engine()
        let refused = ledger.report("unit", [reading("a", 1)], at: start) { _ in false }
        #expect(refused[.queueFull] == 1)
        let later = start.advanced(byMilliseconds: 1000)
        let drops = ledger.report("unit", [reading("a", 2), reading("b", 3)], at: later) {
            engine.take($0)
            return true
        }
        let values = engine.values()
        #expect(drops.isEmpty && values == ["a": [2], "b": [3]])
    }

    @Test("beyond the capacity series are refused and counted")
    func capacity() {
        let ledger = SourceLedger(capacity: 2)
        let readings = ["a", "b", "c"].map { reading($0, 1) }
        let drops = ledger.report("unit", readings, at: start) { $0.scrape.values.count == 2 }
        #expect(drops[.seriesLimit] == 1 && drops[.queueFull] == 0)
    }

    @Test("pushed samples of a source's series are refused")
    func claimed() {
        let ledger = SourceLedger()
        var engine = Engine()
        let key = SeriesKey(name: "a")
        let isFirstTaken = engine.accumulator.add(key, .gauge, Sample(timestamp: start, value: 5))
        #expect(isFirstTaken)
        _ = ledger.report("unit", [reading("a", 1)], at: start) {
            engine.take($0)
            return true
        }
        let isSecondTaken = engine.accumulator.add(key, .gauge, Sample(timestamp: start, value: 6))
        let values = engine.values()
        #expect(!isSecondTaken && values == ["a": [1]])
        #expect(engine.accumulator.refusedCount == 2)
    }
}
