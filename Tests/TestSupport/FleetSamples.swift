/// Metrics of made-up servers, for figures of size on values that are mostly noise.
///
/// A hundred series a host: 34 counters whose increments vary by 15 %, 9 percentages of two decimals that wander, 6 of full
/// precision (as `%.15g` prints them), 7 sizes that wander in pages of 4 KiB, 12 small whole numbers around a level, 6
/// gauges of three decimals around a slowly drifting level, 11 counters that rarely count, one gauge of few levels, an
/// uptime, 7 constants and 6 zeros. All noise is independent, so that its entropy is the least that a store can take: about
/// 1.23 bytes a sample. The same seed makes the same values.
public struct FleetSamples: Sendable {
    public static let seriesPerHost = 100
    /// The kinds of a host's series: ten groups of ten.
    private static let kinds = Array(
        ("ppppppppzz" + "kggggzPPPk" + "kggPkqqkpz" + "ccccccccsq" + "ccccssssqf" + "kccccsqfff" + "cqcqcqqsfk"
            + "tccsccsgPq" + "qcccccsszc" + "qfeccccczP").utf8)
    /// Increments per second of counters.
    private static let rates: [Double] = [3, 40, 350, 2500, 90_000, 1_500_000]

    public let kind: Character
    private let byte: UInt8
    private var state: UInt64
    private var value: Double
    private var level = 0.0
    private var tick = 0

    /// - Parameter series: 0 to 99, of a host.
    public init(host: Int, series: Int, seed: UInt64 = 1) {
        byte = Self.kinds[series]
        kind = Character(Unicode.Scalar(byte))
        state = Self.mixed(seed &* 0x100_0003 &+ Self.mixed(UInt64(host) << 20 | UInt64(series)))
        value = 0
        let start = next()
        func below(_ bound: UInt64) -> Double { Double(start % bound) }
        switch byte {
        case UInt8(ascii: "p"), UInt8(ascii: "P"): value = below(100)
        case UInt8(ascii: "c"):
            value = below(100_000_000)
            level = Self.rates[(series * 7 + host) % 6]
        case UInt8(ascii: "s"): value = below(1000)
        case UInt8(ascii: "g"): value = 4096 * below(4_000_000)
        case UInt8(ascii: "q"): level = 5 + below(200)
        case UInt8(ascii: "k"): value = (1_000_000 + below(8) * 1_000_000) * (series & 1 == 1 ? 4096 : 1)
        case UInt8(ascii: "f"): value = 2 + below(100)
        case UInt8(ascii: "e"): value = 160_000
        case UInt8(ascii: "t"): value = below(10_000_000)
        default: break
        }
    }

    /// The value ten seconds after the one before.
    public mutating func sample() -> Double {
        tick += 1
        switch byte {
        case UInt8(ascii: "p"):
            value = min(max(value + noise(), 0), 100)
            return (value * 100).rounded() / 100
        case UInt8(ascii: "P"):
            value = min(max(value + noise() * 0.3, 1), 99)
            let scale = value < 10 ? 1e14 : 1e13
            return (value * scale).rounded() / scale
        case UInt8(ascii: "c"):
            value += max(level * 10 * (1 + 0.15 * noise()), 0).rounded(.towardZero)
        case UInt8(ascii: "s"):
            if next() & 63 == 0 { value += 1 + Double(next() % 5) }
        case UInt8(ascii: "g"):
            value = max(value + 4096 * (noise() * 64).rounded(.towardZero), 0)
        case UInt8(ascii: "q"):
            return max((level + noise() * (1 + level * 0.1)).rounded(.towardZero), 0)
        case UInt8(ascii: "f"):
            level += noise() * 0.05
            return (max(value + level + noise(), 0) * 1000).rounded() / 1000
        case UInt8(ascii: "e"):
            if next() & 127 == 0 { value = [96_000, 160_000, 256_000, 320_000][Int(next() & 3)] }
        case UInt8(ascii: "t"):
            return value + Double(tick * 10)
        default: break
        }
        return value
    }

    /// About normally distributed, of variance 1.
    private mutating func noise() -> Double {
        var sum = -2.0
        for _ in 0..<4 { sum += Double(next() >> 11) / 9_007_199_254_740_992 }
        return sum * 1.7320508075688772
    }

    private mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Self.finished(state)
    }

    private static func mixed(_ value: UInt64) -> UInt64 { finished(value &+ 0x9e37_79b9_7f4a_7c15) }

    private static func finished(_ value: UInt64) -> UInt64 {
        var bits = value
        bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
        return bits ^ bits >> 31
    }
}
