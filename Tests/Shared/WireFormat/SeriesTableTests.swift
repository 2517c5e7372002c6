import RuntimeSupport
import Telemetry
import Testing
import WireFormat

@Suite("series tables")
struct SeriesTableTests {
    static func sample(_ count: Int) -> [SeriesDescriptor] {
        (0..<count).map { index in
            let labels = [Label("cpu", "\(index / 8)"), Label("mode", ["user", "system", "idle", "日本"][index % 4])]
            return SeriesDescriptor(
                key: SeriesKey(name: "node_cpu_\(index % 3)_seconds_total", labels: labels),
                type: MetricType.allCases[index % MetricType.allCases.count])
        }
    }

    @Test("tables come back as they were", arguments: [0, 1, 7, 576, SeriesTable.seriesMax])
    func roundTrip(count: Int) throws {
        let series = Self.sample(count)
        let bytes = try SeriesTable.encode(series)
        #expect(try SeriesTable.decode(bytes) == series)
        #expect(try SeriesTable.encode(series) == bytes)
        if count == 576 { #expect(bytes.count < 576 * 10, "\(bytes.count) bytes") }
    }

    @Test("texts that are equal in Unicode's eyes but not in bytes stay apart")
    func unicode() throws {
        let series = ["é", "e\u{301}"].map {
            SeriesDescriptor(key: SeriesKey(name: "m", labels: [Label("l", $0)]), type: .gauge)
        }
        let decoded = try SeriesTable.decode(SeriesTable.encode(series))
        #expect(decoded.map { Array(($0.key["l"] ?? "").utf8) } == [Array("é".utf8), Array("e\u{301}".utf8)])
    }

    @Test("limits are enforced")
    func limits() {
        func check(_ error: WireError, _ labels: [Label]) {
            let series = [SeriesDescriptor(key: SeriesKey(labels: labels), type: .gauge)]
            #expect(throws: error) { try SeriesTable.encode(series) }
        }
        let name = String(repeating: "n", count: SeriesLimits.labelNameBytesMax + 1)
        check(.tooLarge("label name"), [Label(name, "v")])
        let value = String(repeating: "v", count: SeriesLimits.labelValueBytesMax + 1)
        check(.tooLarge("label value"), [Label("n", value)])
        check(.tooLarge("labels"), (0...SeriesLimits.labelCountMax).map { Label("n\($0)", "v") })
        #expect(throws: WireError.tooLarge("series")) {
            try SeriesTable.encode(Array(repeating: Self.sample(1)[0], count: SeriesTable.seriesMax + 1))
        }
    }

    @Test("any bytes give a table or an error")
    func total() throws {
        let bytes = try SeriesTable.encode(Self.sample(24))
        Damage.inflict(on: bytes, rounds: 8000, seed: 5) { _ = try? SeriesTable.decode($0) }
        for length in bytes.indices {
            #expect(throws: WireError.self) { try SeriesTable.decode(Array(bytes[..<length])) }
        }
    }

    @Test("the bytes of version 1 stay readable and unchanged")
    func golden() throws {
        let kept = try ColumnGolden.check("SeriesTable-v1", SeriesTable.encode(Self.sample(24)))
        #expect(try SeriesTable.decode(kept) == Self.sample(24))
    }
}
