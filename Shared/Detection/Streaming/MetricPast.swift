#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How a metric's cells went so far, as far as the next row needs it: some running numbers.
struct MetricPast: Sendable, Equatable {
    static let shortCells: Float = 30
    static let longCells: Float = 300

    var lags = SIMD8<Float>(repeating: 0)
    var shortMean: Float = 0
    var longMean: Float = 0
    var shortVariance: Float = 0
    var cells: UInt32 = 0

    /// The cell as a row, and the running means moved on.
    mutating func follow(_ value: Float) -> MetricRow {
        cells &+= 1
        if cells == 1 {
            lags = SIMD8(repeating: value)
            (shortMean, longMean) = (value, value)
        }
        let before = lags[0]
        for lag in stride(from: 7, to: 0, by: -1) { lags[lag] = lags[lag - 1] }
        lags[0] = value
        let short = max(2 / (Self.shortCells + 1), 1 / Float(cells))
        let long = max(2 / (Self.longCells + 1), 1 / Float(cells))
        let away = value - shortMean
        shortMean += short * away
        shortVariance = (1 - short) * (shortVariance + short * away * away)
        longMean += long * (value - longMean)
        return MetricRow(
            lags: lags,
            features: SIMD4(value - before, value - shortMean, value - longMean, max(0, shortVariance).squareRoot()))
    }

    /// Goes on as if a cell had been what could be expected: the mean of the last eight, on along the slope at which the
    /// short mean has left the long one behind.
    mutating func leaveOut() {
        // How many cells ago a steady slope stood at the mean: half of its cells, or on the way there from half of all.
        let half = (Self.longCells - 1) / 2
        let age = Float(cells)
        let lag = age <= half ? age / 2 : half - half / 2 * expf((half - age) / half)
        let slope = (shortMean - longMean) / max(Self.shortCells / 2, lag - (Self.shortCells - 1) / 2)
        _ = follow(lags.sum() / 8 + 4.5 * slope)
        cells &-= 1
    }

    /// The rows of a series' first cells, made again from their values: a twelfth of what they would take.
    static func rows(of first: [Float]) -> [MetricRow] {
        var past = MetricPast()
        return first.map { past.follow($0) }
    }
}
