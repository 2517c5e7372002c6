#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How far beyond everything met before a value lies, or its change: what is extreme can be told early, when there is
/// too little history for what is merely rare.
///
/// Of n values with an exponential tail, whose range grows as ln n, the chance that another lies r ranges beyond the
/// outermost is n^-(1 + r). Taken is 0.7 (r + min(1, r)) log10(n + 1): nothing at the edge itself, where records are set
/// all the time, and less than the chance says, since tails are heavier than that. So the more has been seen, the less
/// far beyond it suffices. 48 bytes.
package struct Extremes: Sendable, Equatable {
    /// Below this many values there is no evidence.
    static let countMin: Float = 30
    static let evidenceMax: Float = 30
    static let weight: Float = 0.7
    /// Two spans of time are remembered, the current and the one before it, so that old days leave. The first holds so
    /// many values, each twice as many as the one before, up to the most.
    static let spanMin: UInt32 = 64
    static let spanMax: UInt32 = 10_240

    /// Of values and changes in the current span, of values and changes in the one before.
    var lows = SIMD4<Float>(repeating: .infinity)
    var highs = SIMD4<Float>(repeating: -.infinity)
    var count: UInt32 = 0
    var countBefore: UInt32 = 0

    package init() {}

    /// Takes a value into the history, and its change.
    package mutating func add(_ value: Float, change: Float) {
        let span = countBefore == 0 ? Self.spanMin : min(Self.spanMax, 2 * countBefore)
        if count >= span {
            lows = SIMD4(.infinity, .infinity, lows.x, lows.y)
            highs = SIMD4(-.infinity, -.infinity, highs.x, highs.y)
            (count, countBefore) = (0, count)
        }
        count += 1
        lows.x = min(lows.x, value)
        lows.y = min(lows.y, change)
        highs.x = max(highs.x, value)
        highs.y = max(highs.y, change)
    }

    /// As minus the decimal logarithm of a chance; 0 within what was met, and while all that was met was the same.
    package func evidence(of value: Float, change: Float) -> Float {
        let values = Float(count) + Float(countBefore)
        guard values >= Self.countMin else { return 0 }
        let ranges = max(
            Self.beyond(value, min(lows.x, lows.z), max(highs.x, highs.z)),
            Self.beyond(change, min(lows.y, lows.w), max(highs.y, highs.w)))
        return min(Self.evidenceMax, Self.weight * (ranges + min(1, ranges)) * log10f(values + 1))
    }

    private static func beyond(_ value: Float, _ low: Float, _ high: Float) -> Float {
        guard high > low else { return 0 }
        return max(0, value - high, low - value) / (high - low)
    }
}
