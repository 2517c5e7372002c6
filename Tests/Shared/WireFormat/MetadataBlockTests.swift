import RuntimeSupport
import Telemetry
import Testing
import WireFormat

@Suite("metadata block") struct MetadataBlockTests {
    private static func samples() throws -> [MetricMetadata] {
        [
            try #require(
                MetricMetadata(
                    name: "http_request_duration_seconds", type: .histogram, unit: "seconds", help: "How long – each.")),
            try #require(MetricMetadata(name: "up", type: .unknown, unit: "", help: "")),
        ]
    }

    @Test("a block reads back as it was written, and its bytes stay")
    func golden() throws {
        let kept = try ColumnGolden.check("MetadataBlock-v1", MetadataBlock.encode(Self.samples()))
        #expect(try MetadataBlock.decode(kept) == Self.samples())
        #expect(try MetadataBlock.decode(MetadataBlock.encode([])).isEmpty)
        for size in 0..<kept.count {
            #expect(throws: WireError.self) { try MetadataBlock.decode(Array(kept.prefix(size))) }
        }
        #expect(throws: WireError.self) { try MetadataBlock.decode(kept + [0]) }
        #expect(throws: WireError.unsupportedVersion(2)) { try MetadataBlock.decode([2] + kept.dropFirst()) }
        #expect(throws: WireError.invalid("family")) { try MetadataBlock.decode([1, 1, 0, 0, 0, 0]) }
    }

    @Test("mutated bytes decode to something that encodes stably, or to an error")
    func mutations() throws {
        var generator = SeededGenerator(seed: 0x3e7a)
        let original = MetadataBlock.encode(try Self.samples())
        for _ in 0..<20_000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 1..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            guard let once = try? MetadataBlock.decode(bytes) else { continue }
            let encoded = MetadataBlock.encode(once)
            #expect(MetadataBlock.encode(try MetadataBlock.decode(encoded)) == encoded)
        }
    }

    @Test("texts are bounded: a long help text is cut to whole characters, a long unit left out")
    func bounds() throws {
        let long = String(repeating: "ä", count: 600)
        let family = try #require(MetricMetadata(name: "m", type: .gauge, unit: long, help: "x" + long))
        #expect(family.unit.isEmpty && family.help == "x" + String(repeating: "ä", count: 511))
        #expect(MetricMetadata(name: "", type: .gauge, unit: "", help: "") == nil)
        #expect(MetricMetadata(name: long + long, type: .gauge, unit: "", help: "") == nil)
    }

    @Test("a family covers its metrics by the suffixes of its type")
    func suffixes() throws {
        func family(_ type: MetricType) throws -> MetricMetadata {
            try #require(MetricMetadata(name: "m", type: type, unit: "", help: ""))
        }
        #expect(try family(.histogram).covers("m_bucket") && family(.summary).covers("m_sum"))
        #expect(try family(.counter).covers("m_total") && family(.info).covers("m_info"))
        #expect(try !family(.gauge).covers("m_total") && !family(.summary).covers("m_bucket"))
        #expect(try family(.gauge).covers("m") && !family(.histogram).covers("mm_bucket"))
    }
}
