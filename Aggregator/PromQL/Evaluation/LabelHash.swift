import Telemetry

/// The hash by which `limit_ratio` chooses series: XXH64 (seed 0) over Prometheus' packed labels, so that the same
/// series are chosen as there.
enum LabelHash {
    /// The hash as a share of all hashes, 0 to 1.
    static func share(_ labels: LabelSet) -> Double { Double(hash(labels)) / Double(UInt64.max) }

    static func hash(_ labels: LabelSet) -> UInt64 {
        var bytes: [UInt8] = []
        for label in labels.labels {
            append(label.name, to: &bytes)
            append(label.value, to: &bytes)
        }
        return xxh64(bytes)
    }

    /// Lengths below 255 in one byte, longer ones as 255 and three bytes, little endian.
    private static func append(_ text: String, to bytes: inout [UInt8]) {
        let count = text.utf8.count
        if count < 255 {
            bytes.append(UInt8(truncatingIfNeeded: count))
        } else {
            bytes.append(255)
            for shift in [0, 8, 16] { bytes.append(UInt8(truncatingIfNeeded: count >> shift)) }
        }
        bytes.append(contentsOf: text.utf8)
    }

    private static let primes: [UInt64] = [
        11_400_714_785_074_694_791, 14_029_467_366_897_019_727, 1_609_587_929_392_839_161,
        9_650_029_242_287_828_579, 2_870_177_450_012_600_261,
    ]

    /// As the specification of xxHash gives it.
    static func xxh64(_ bytes: [UInt8]) -> UInt64 {
        func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
        func word(_ offset: Int, _ size: Int) -> UInt64 {
            (0..<size).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
        }
        func round(_ accumulator: UInt64, _ input: UInt64) -> UInt64 {
            rotated(accumulator &+ input &* primes[1], 31) &* primes[0]
        }
        var offset = 0
        var hash: UInt64
        if bytes.count >= 32 {
            var lanes: [UInt64] = [primes[0] &+ primes[1], primes[1], 0, 0 &- primes[0]]
            while offset + 32 <= bytes.count {
                for lane in 0..<4 { lanes[lane] = round(lanes[lane], word(offset + 8 * lane, 8)) }
                offset += 32
            }
            hash =
                rotated(lanes[0], 1) &+ rotated(lanes[1], 7) &+ rotated(lanes[2], 12) &+ rotated(lanes[3], 18)
            for lane in lanes { hash = (hash ^ round(0, lane)) &* primes[0] &+ primes[3] }
        } else {
            hash = primes[4]
        }
        hash = hash &+ UInt64(bytes.count)
        while offset + 8 <= bytes.count {
            hash = rotated(hash ^ round(0, word(offset, 8)), 27) &* primes[0] &+ primes[3]
            offset += 8
        }
        if offset + 4 <= bytes.count {
            hash = rotated(hash ^ word(offset, 4) &* primes[0], 23) &* primes[1] &+ primes[2]
            offset += 4
        }
        while offset < bytes.count {
            hash = rotated(hash ^ UInt64(bytes[offset]) &* primes[4], 11) &* primes[0]
            offset += 1
        }
        hash = (hash ^ hash >> 33) &* primes[1]
        hash = (hash ^ hash >> 29) &* primes[2]
        return hash ^ hash >> 32
    }
}
