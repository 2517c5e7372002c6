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

    /// One of a rule beside one of detection.
    static let ruled: [Finding] = [
        samples[0],
        Finding(
            id: ID128(high: 5, low: 6), group: "cpu", since: Timestamp(milliseconds: 1_790_000_000_000),
            score: 1, peakAt: Timestamp(milliseconds: 1_790_000_001_000), anomalousCount: 2,
            contributors: [Finding.Contributor(key: SeriesKey(name: "node_load1"), share: 1)],
            rule: Finding.Rule(name: "busy", severity: .critical, value: 8.25, threshold: 8)),
    ]

    @Test("a block with a rule's finding is of version 2, reads back as it was written, and its bytes stay")
    func ruleGolden() throws {
        let kept = try ColumnGolden.check("FindingBlock-v2", FindingBlock.encode(Self.ruled))
        #expect(kept[0] == 2 && FindingBlock.encode(Self.samples)[0] == 1)
        #expect(try FindingBlock.decode(kept) == Self.ruled)
    }

    /// Of nodes of other regions, over one relay and over two.
    static let handedOn: [Finding] = zip(
        ruled,
        [
            Finding.Source(node: AgentID(unchecked: "edge-1"), region: "eu", isByPeers: true),
            Finding.Source(
                node: AgentID(unchecked: "edge-2"),
                relays: [AgentID(unchecked: "relay-se"), AgentID(unchecked: "relay-eu")]),
        ]
    ).map { finding, source in
        var finding = finding
        finding.source = source
        return finding
    }

    @Test("a block of what is handed on is of version 3, reads back as it was written, and its bytes stay")
    func sourceGolden() throws {
        let kept = try ColumnGolden.check("FindingBlock-v3", FindingBlock.encode(Self.handedOn))
        #expect(try kept[0] == 3 && FindingBlock.decode(kept) == Self.handedOn)
        for size in 0..<kept.count {
            #expect(throws: WireError.self) { try FindingBlock.decode(Array(kept.prefix(size))) }
        }
        #expect(Self.handedOn.map { $0.source?.path } == ["edge-1", "edge-2/relay-se/relay-eu"])
    }

    @Test("a rule without a name, or with a value that is no number, is refused")
    func ruleRefusals() throws {
        var nameless = Self.ruled[1]
        nameless.rule?.name = ""
        var endless = Self.ruled[1]
        endless.rule?.value = .infinity
        for finding in [nameless, endless] {
            #expect(throws: WireError.self) { try FindingBlock.decode(FindingBlock.encode([finding])) }
        }
        let bytes = FindingBlock.encode(Self.ruled)
        for size in 0..<bytes.count {
            #expect(throws: WireError.self) { try FindingBlock.decode(Array(bytes.prefix(size))) }
        }
        var odd = FindingBlock.encode([Self.samples[1], Self.ruled[1]])
        let origin = FindingBlock.encode([Self.samples[1]]).count
        try #require(odd[origin] == 0)
        odd[origin] = 2
        #expect(throws: WireError.invalid("origin")) { try FindingBlock.decode(odd) }
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
        #expect(throws: WireError.unsupportedVersion(4)) { try FindingBlock.decode([4] + bytes.dropFirst()) }
    }

    @Test("mutated bytes decode to something that encodes stably, or to an error")
    func mutations() throws {
        var generator = SeededGenerator(seed: 0xf1d)
        for findings in [Self.samples, Self.ruled, Self.handedOn] {
            let original = FindingBlock.encode(findings)
            try mutate(original, &generator)
        }
    }

    private func mutate(_ original: [UInt8], _ generator: inout SeededGenerator) throws {
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
