import Compression
import RuntimeSupport
import TestSupport
import Testing
import WireFormat

/// Series that are mostly noise, alone in a group: what is not in the head is their packed stream.
@Suite("packed streams")
struct PackedStreamTests {
    enum Noise: CaseIterable {
        case level, drift, counter, line, decimals, digits, negativeDigits, floats, signs, outliers, wide, tiny, pages

        func values(_ count: Int, using generator: inout SeededGenerator) -> [Double] {
            func normal() -> Double {
                (0..<4).reduce(-2.0) { sum, _ in sum + Double.random(in: 0..<1, using: &generator) } * 1.7320508
            }
            var sum = Double.random(in: 0...100, using: &generator)
            return (0..<count).map { index in
                switch self {
                case .level: return (500 + normal() * 40).rounded()
                case .drift:
                    sum += normal()
                    return (sum * 20 + normal() * 100).rounded() / 100
                case .counter:
                    sum += (90_000 + normal() * 13_000).rounded()
                    return sum.rounded()
                case .line: return Double(index * index) + (normal() * 3).rounded()
                case .decimals: return (normal() * 1000).rounded() / 1000
                case .digits:
                    // To and fro over 1 and 10, where digits after the point come and go.
                    sum = abs(12 * Double(index) / Double(count) - 2) + 0.05 + abs(normal())
                    let scale = sum < 1 ? 1e15 : sum < 10 ? 1e14 : 1e13
                    return (sum * scale).rounded() / scale
                case .negativeDigits: return -((20 + normal()) * 1e13).rounded() / 1e13
                case .floats: return sum + normal()
                case .signs: return normal()
                case .outliers: return index % 50 == 7 ? 1e12 : (normal() * 8).rounded()
                case .wide: return (normal() * 1e14).rounded()
                case .tiny: return (normal() * 0.8).rounded() + Double(index)
                case .pages:
                    sum += (normal() * 64).rounded() * 4096
                    return sum.rounded()
                }
            }
        }
    }

    private func group(_ values: [Double]) throws -> [UInt8] {
        let encoder = try ChunkGroupEncoder()
        encoder.begin(timelines: [values.indices.map { Int64($0) * 10_000 }], seriesMax: 1, keepsLasts: true)
        try values.withUnsafeBufferPointer { try encoder.add(series: 7, timeline: 0, values: $0) }
        return try encoder.finish()
    }

    @Test("noise of all kinds comes back bit for bit", arguments: Noise.allCases)
    func noise(kind: Noise) throws {
        var generator = SeededGenerator(seed: 11)
        let decompressor = try ZstdDecompressor()
        for count in [2, 17, 18, 19, 63, 64, 720, 7200] {
            let values = kind.values(count, using: &generator)
            let reader = try ChunkGroupReader(try group(values), decompressor: decompressor)
            #expect(try reader.values(0).map(\.bitPattern) == values.map(\.bitPattern))
            let last = reader.last(0)
            #expect(last == nil && kind == .digits || last?.bitPattern == values.last?.bitPattern)
        }
    }

    /// Bits a sample: the logarithm of the scale plus 2.05 of a normal distribution.
    static let entropies: [(Noise, Double)] = [
        (.level, 7.37), (.counter, 15.72), (.decimals, 12.01), (.pages, 8.05), (.negativeDigits, 45.24), (.wide, 48.6),
    ]

    @Test("noise takes little more than its entropy", arguments: entropies)
    func entropy(kind: Noise, bits: Double) throws {
        var generator = SeededGenerator(seed: 12)
        let values = kind.values(7200, using: &generator)
        let bytes = try group(values).count - group([1, 2]).count
        // A part for the codes and for what stands before them.
        #expect(Double(bytes * 8) / 7200 <= bits + 0.15, "\(Double(bytes * 8) / 7200) bits a sample")
    }

    @Test("streams that nearly repeat each other are left to zstd")
    func repetition() throws {
        var generator = SeededGenerator(seed: 5)
        let values = Noise.counter.values(1500, using: &generator)
        let encoder = try ChunkGroupEncoder()
        encoder.begin(timelines: [values.indices.map { Int64($0) }], seriesMax: 8)
        for series in 0..<8 {
            // Each differs from the others in a few places.
            var own = values
            for index in stride(from: series * 20, to: 1500, by: 300) { own[index] += 1 }
            try own.withUnsafeBufferPointer { try encoder.add(series: UInt64(series), timeline: 0, values: $0) }
        }
        #expect(try Double(encoder.finish().count) < 1.6 * Double(group(values).count))
    }

    @Test("any packed bytes give values or an error", arguments: Noise.allCases)
    func total(kind: Noise) throws {
        var generator = SeededGenerator(seed: 3)
        let decompressor = try ZstdDecompressor()
        let bytes = try group(kind.values(60, using: &generator))
        // The head is compressed; behind it the stream lies plain.
        let start = 3 + Int(bytes[2])
        try #require(bytes[2] < 0x80)
        for round in 0..<4000 {
            var damaged = bytes
            for _ in 0...round % 4 where start < bytes.count {
                let place =
                    round % 2 == 0
                    ? min(start + Int(generator.next() % 12), bytes.count - 1)
                    : start
                        + Int(generator.next() % UInt64(bytes.count - start))
                damaged[place] = UInt8(truncatingIfNeeded: generator.next())
            }
            guard let reader = try? ChunkGroupReader(damaged, decompressor: decompressor) else { continue }
            _ = try? reader.values(0)
            _ = reader.last(0)
        }
    }
}
