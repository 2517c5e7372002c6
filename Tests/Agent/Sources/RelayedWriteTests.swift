import Interchange
import RuntimeSupport
import Sources
import Telemetry
import Testing

@Suite("sources: what a relay takes in")
struct RelayedWriteTests {
    private let now = Timestamp(seconds: 1_767_225_600)

    private func read(_ body: [UInt8]) throws -> RelayedWrite {
        try body.withUnsafeBytes { try RelayedWrite($0, relay: "relay-eu", now: now) }
    }
    private func body(_ series: [(SeriesKey, [Int64], [Double])]) -> [UInt8] {
        var encoder = RemoteWriteEncoder(.one)
        for (key, times, values) in series { encoder.add(key, timestamps: times, values: values) }
        return encoder.finish()
    }
    private func key(_ name: String, _ instance: String = "edge-1") -> SeriesKey {
        SeriesKey(name: name, labels: [Label("instance", instance), Label("region", "eu")])
    }

    @Test("series keep their labels, times and bits; staleness markers are values like any other")
    func taken() throws {
        let stale = Double(bitPattern: 0x7ff0_0000_0000_0002)
        let times = [now.milliseconds - 86_400_000, now.milliseconds - 1, now.milliseconds + 299_000]
        let write = try read(body([(key("a"), times, [1, -0.0, stale]), (key("a", "edge-2"), [5], [.infinity])]))
        #expect(write.sampleCount == 4 && write.refusedCount == 0 && write.problem == nil)
        #expect(
            write.series.map(\.descriptor.key) == [key("a"), key("a", "edge-2")].map { $0.relayed(by: "relay-eu") })
        #expect(write.series[0].timestamps == times)
        #expect(write.series[0].values.map(\.bitPattern) == [1, -0.0, stale].map(\.bitPattern))
    }

    @Test("series have the types that the body's metadata gives their families, wherever it stands")
    func types() throws {
        let families = [
            MetricFamily(name: "a_total", type: .counter), MetricFamily(name: "h", type: .histogram),
            MetricFamily(name: "s", type: .summary), MetricFamily(name: "g", type: .gauge),
            MetricFamily(name: "gh", type: .gaugehistogram),
        ]
        let names = ["a_total", "h_bucket", "h_count", "s", "s_sum", "g", "g_sum", "other", "gh_bucket"]
        var (first, last) = (RemoteWriteEncoder(.one), RemoteWriteEncoder(.one))
        for family in families { first.add(family) }
        for name in names {
            first.add(key(name), timestamps: [1], values: [1])
            last.add(key(name), timestamps: [1], values: [1])
        }
        for family in families { last.add(family) }
        for body in [first.finish(), last.finish()] {
            let types = try read(body).series.map(\.descriptor.type)
            #expect(
                types == [.counter, .histogram, .histogram, .summary, .summary, .gauge, .unknown, .unknown, .gauge])
        }
    }

    @Test("samples out of order are put in order, of two at one time the last counts; one series in parts is one")
    func order() throws {
        let write = try read(body([(key("a"), [3000, 1000, 3000], [3, 1, 33]), (key("a"), [2000], [2])]))
        #expect(write.series.count == 1)
        #expect(write.series[0].timestamps == [1000, 2000, 3000] && write.series[0].values == [1, 2, 33])
        #expect(write.sampleCount == 3)
    }

    @Test("what cannot be handed on is counted with a reason, and the rest stands")
    func refused() throws {
        let wide = SeriesKey(name: "wide", labels: (0..<63).map { Label("l\($0)", "v") })
        let nameless = SeriesKey(labels: [Label("job", "x")])
        let write = try read(
            body([
                (key("a"), [now.milliseconds + 301_000, -1, 7], [1, 2, 3]), (wide, [1, 2], [1, 2]),
                (nameless, [1], [1]), (key("late"), [.max], [1]),
            ]))
        #expect(write.series.count == 1 && write.sampleCount == 1 && write.refusedCount == 6)
        #expect(write.problem?.contains("__name__") == true)
        #expect(throws: InterchangeError.self) { try read([0xff, 1, 2]) }
    }

    @Test("any bytes give series in order or a fault", arguments: 0..<300)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = body((0..<4).map { (key("m\($0)"), [Int64($0), 9000], [1, 2]) })
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        for series in (try? read(bytes))?.series ?? [] {
            #expect(!series.values.isEmpty && series.values.count == series.timestamps.count)
            #expect(zip(series.timestamps, series.timestamps.dropFirst()).allSatisfy(<))
        }
    }
}
