import RuntimeSupport
import Telemetry
import WireFormat

/// Random and telling metric batches.
enum MetricSamples {
    static func tables(_ count: Int) -> [TableReference] {
        [
            TableReference(
                hash: TableHash(high: ID128(high: 1, low: 2), low: ID128(high: 3, low: 4)), count: UInt32(count))
        ]
    }

    /// Values of every kind: constants, counters, gauges, decimals, noise, special bits.
    static func values(_ kind: Int, _ count: Int, using generator: inout SeededGenerator) -> [Double] {
        var integer = Int64.random(in: -1_000_000...1_000_000, using: &generator)
        let step = Int64.random(in: 1...5000, using: &generator)
        switch kind % 12 {
        case 0: return Array(repeating: 0, count: count)
        case 1: return Array(repeating: Double(integer), count: count)
        case 2: return Array(repeating: Double.random(in: 0...1, using: &generator), count: count)
        case 3:
            return (0..<count).map { _ in
                integer += Int64.random(in: 0...step, using: &generator)
                return Double(integer)
            }
        case 4:
            return (0..<count).map { _ in
                integer += Int64.random(in: -step...step, using: &generator) * 4096
                return Double(integer)
            }
        case 5: return (0..<count).map { Double(integer + Int64($0) * step) }
        case 6: return (0..<count).map { _ in Double(Int.random(in: -9999...9999, using: &generator)) / 100 }
        case 7: return (0..<count).map { _ in Double(Int.random(in: 0...9_999_999, using: &generator)) / 1e7 }
        case 8: return (0..<count).map { _ in Double.random(in: -1e9...1e9, using: &generator) }
        case 9:
            let special: [Double] = [
                -0.0, 0, .infinity, -.infinity, .nan, Double(bitPattern: 0x7ff0_0000_0000_0002), .leastNonzeroMagnitude,
                .greatestFiniteMagnitude, 9_007_199_254_740_992, -2_251_799_813_685_248, 1,
            ]
            return (0..<count).map { _ in special.randomElement(using: &generator) ?? 0 }
        case 10: return (0..<count).map { _ in Double(bitPattern: generator.next()) }
        default:
            // Large whole numbers around the bound of the rounding trick.
            return (0..<count).map { _ in
                Double(Int64.random(in: 2_251_799_813_685_240...2_251_799_813_685_256, using: &generator))
            }
        }
    }

    static func timestamps(_ count: Int, using generator: inout SeededGenerator) -> [Int64] {
        var time = Int64.random(in: -1_000_000...2_000_000_000_000, using: &generator)
        let jitter = Int64.random(in: 1...2000, using: &generator)
        return (0..<count).map { _ in
            time += 1000 + Int64.random(in: 0...jitter, using: &generator)
            return time
        }
    }

    static func batch(groups: Int = 2, seriesMax: Int = 40, valuesMax: Int = 30, seed: UInt64) -> MetricBatch {
        var generator = SeededGenerator(seed: seed)
        return MetricBatch(
            groups: (0..<groups).map { _ in
                let count = Int.random(in: 1...valuesMax, using: &generator)
                let series = (0..<UInt32(seriesMax)).filter { _ in generator.next() % 4 != 0 }
                let numbers = series.isEmpty ? [0] : series
                var values: [Double] = []
                var last: [Double] = []
                for number in numbers {
                    // Some series repeat the one before in other units, so that references occur.
                    let repeats = generator.next() % 4 == 0 && !last.isEmpty
                    last =
                        repeats
                        ? last.map { $0 * 4096 }
                        : self.values(
                            Int(number) + Int.random(in: 0...11, using: &generator), count, using: &generator)
                    values += last
                }
                let withStarts = generator.next() % 2 == 0
                let withAnomalies = generator.next() % 2 == 0
                var anomalies = [UInt64](repeating: 0, count: withAnomalies ? (values.count + 63) / 64 : 0)
                if withAnomalies {
                    for bit in [0, values.count / 2, values.count - 1] { anomalies[bit / 64] |= 1 << UInt64(bit % 64) }
                }
                return MetricBatch.Group(
                    timestamps: timestamps(count, using: &generator), series: numbers, values: values,
                    startTimestamps: withStarts
                        ? numbers.map { $0 % 3 == 0 ? 0 : 1_700_000_000_000 + Int64($0 / 9) } : [],
                    anomalies: anomalies)
            })
    }

    /// Equality of bits, so that NaNs and zeros of either sign count.
    static func isIdentical(_ left: MetricBatch, _ right: MetricBatch) -> Bool {
        guard left.groups.count == right.groups.count else { return false }
        return zip(left.groups, right.groups).allSatisfy { left, right in
            let starts = left.startTimestamps.contains { $0 != 0 } ? left.startTimestamps : []
            return left.timestamps == right.timestamps && left.series == right.series && starts == right.startTimestamps
                && left.anomalies == right.anomalies
                && left.values.map(\.bitPattern) == right.values.map(\.bitPattern)
        }
    }
}

/// Damage for decoders to withstand.
enum Damage {
    /// Calls `body` with the bytes cut at every length, with random bytes flipped, and with garbage.
    static func inflict(on bytes: [UInt8], rounds: Int, seed: UInt64, _ body: ([UInt8]) -> Void) {
        for length in 0..<bytes.count where length < 400 || length % 7 == 0 { body(Array(bytes[..<length])) }
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<rounds {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let position = Int.random(in: 0..<damaged.count, using: &generator)
                // Half of the damage goes where the structure is.
                let place = generator.next() % 2 == 0 ? position : position % min(damaged.count, 120)
                damaged[place] = UInt8(truncatingIfNeeded: generator.next())
            }
            body(damaged)
            var garbage = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
                UInt8(truncatingIfNeeded: generator.next() >> (generator.next() % 8))
            }
            // A valid start leads garbage past the first checks.
            garbage.replaceSubrange(0..<min(2, garbage.count), with: bytes.prefix(min(2, garbage.count)))
            body(garbage)
        }
    }
}
