import RuntimeSupport
import Telemetry
import Testing
import WireFormat

@Suite("finding block") struct FindingBlockTests {
    static let samples: [Finding] = [
        Finding(
            id: ID128(high: 1, low: 2), group: "cpu", since: Timestamp(milliseconds: 1_790_000_000_000),
            until: Timestamp(milliseconds: 1_790_000_060_000), score: 1,
            peakAt: Timestamp(milliseconds: 1_790_000_030_000), anomalousCount: 42,
            contributors: [
                Finding.Contributor(
                    key: SeriesKey(
                        name: "node_cpu_seconds_total", labels: [Label("cpu", "0"), Label("mode", "user")]), share: 0.8),
                Finding.Contributor(key: SeriesKey(name: "node_load1"), share: 0.2),
            ],
            shape: Finding.Shape(
                start: Timestamp(milliseconds: 1_790_000_000_000), stepMilliseconds: 1000, values: [0, 1.5, -3])),
        Finding(
            id: ID128(high: 3, low: 4), group: "metric", since: Timestamp(milliseconds: -5), score: 0,
            peakAt: Timestamp(milliseconds: -5), anomalousCount: 0),
    ]

    @Test("a block reads back as it was written, and its bytes stay")
    func golden() throws {
        let kept = try ColumnGolden.check("FindingBlock-v1", FindingBlock.encode(Self.samples))
        #expect(try FindingBlock.decode(kept) == Self.samples)
        #expect(try FindingBlock.decode(FindingBlock.encode([])).isEmpty)
    }

    @Test("what a block may not hold is refused")
    func refusals() throws {
        var backwards = Self.samples[0]
        backwards.until = Timestamp(milliseconds: backwards.since.milliseconds - 1)
        var impossible = Self.samples[1]
        impossible.since = Timestamp(milliseconds: .min)
        var nameless = Self.samples[1]
        nameless.group = ""
        for finding in [backwards, impossible, nameless] {
            #expect(throws: WireError.self) { try FindingBlock.decode(FindingBlock.encode([finding])) }
        }
        let bytes = FindingBlock.encode(Self.samples)
        for size in 0..<bytes.count {
            #expect(throws: WireError.self) { try FindingBlock.decode(Array(bytes.prefix(size))) }
        }
        #expect(throws: WireError.self) { try FindingBlock.decode(bytes + [0]) }
        #expect(throws: WireError.unsupportedVersion(2)) { try FindingBlock.decode([2] + bytes.dropFirst()) }
    }

    @Test("mutated bytes decode to something that encodes stably, or to an error")
    func mutations() throws {
        var generator = SeededGenerator(seed: 0xf1d)
        let original = FindingBlock.encode(Self.samples)
        var decoded = 0
        for _ in 0..<20_000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 1..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            guard let once = try? FindingBlock.decode(bytes) else { continue }
            decoded += 1
            #expect(
                FindingBlock.encode(try FindingBlock.decode(FindingBlock.encode(once))) == FindingBlock.encode(once))
        }
        #expect(decoded > 0)
    }
}
