/// What a chunk of one series amounts to, computed while encoding.
///
/// NaNs (Prometheus's stale markers among them) count for nothing but `last`; with nothing but NaNs,
/// `sum` is 0 and `min` and `max` are NaN.
public struct ChunkSummary: Sendable, Equatable {
    public var count = 0
    public var sum = 0.0
    public var min = Double.nan
    public var max = Double.nan
    public var last = Double.nan

    public init(_ values: UnsafeBufferPointer<Double>) {
        guard let final = values.last else { return }
        last = final
        // Four lanes, since a single sum waits for each addition.
        var (sums, lows) = (SIMD4<Double>(repeating: 0), SIMD4<Double>(repeating: .infinity))
        var highs = SIMD4<Double>(repeating: -.infinity)
        var unknown = 0
        var index = 0
        while index < values.count {
            var four = SIMD4<Double>(repeating: .nan)
            if values.count - index >= 4 {
                four = SIMD4(values[index], values[index + 1], values[index + 2], values[index + 3])
            } else {
                for lane in 0..<values.count - index { four[lane] = values[index + lane] }
            }
            index += 4
            let isNaN = four .!= four
            if any(isNaN) { for lane in 0..<4 where isNaN[lane] { unknown += 1 } }
            sums += four.replacing(with: 0, where: isNaN)
            lows.replace(with: four, where: four .< lows)
            highs.replace(with: four, where: four .> highs)
        }
        count = index - unknown
        sum = sums.sum()
        if count > 0 { (min, max) = (lows.min(), highs.max()) }
    }

    /// Of `count` equal values.
    init(constant value: Double, count: Int) {
        last = value
        guard value == value else { return }
        self.count = count
        sum = value * Double(count)
        (min, max) = (value, value)
    }
}
