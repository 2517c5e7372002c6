#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Turns distances of any scale into evidence: minus the decimal logarithm of how often so large a distance was met.
///
/// The body's upper end (the `1 - share` quantile) is followed by the P² estimate of Jain and Chlamtac ("The P²
/// algorithm for dynamic calculation of quantiles and histograms without storing observations", CACM 28, 1985); what
/// exceeds it is taken as exponential, whose one parameter is the mean excess. So a dozen numbers of history suffice, and
/// 2.0 means the same for every series: one in a hundred.
package struct TailCalibration: Sendable, Equatable {
    /// Values after which all counts are halved, so that old days fade: 20 000 cells of 10 s are 2.3 days.
    static let countMax: Float = 20_000
    /// Below this many values there is no evidence.
    static let countMin: Float = 20

    /// The markers' heights, the topmost by itself, and their positions but for the lowest's, which is 0. In this order
    /// all is 48 bytes.
    private(set) var lower = SIMD4<Float>(repeating: 0)
    private(set) var ranks = SIMD4<Float>(1, 2, 3, 4)
    private(set) var top: Float = 0
    var count: Float = 0
    var excessSum: Float = 0
    var excessCount: Float = 0

    package init() {}

    init(lower: SIMD4<Float>, top: Float, ranks: SIMD4<Float>, count: Float, excessSum: Float, excessCount: Float) {
        (self.lower, self.top, self.ranks) = (lower, top, ranks)
        (self.count, self.excessSum, self.excessCount) = (count, excessSum, excessCount)
    }

    private func height(_ marker: Int) -> Float { marker == 4 ? top : lower[marker] }
    private func rank(_ marker: Int) -> Float { marker == 0 ? 0 : ranks[marker - 1] }

    /// The upper end of the body, 0 before there are five values.
    package var bodyEnd: Float { count < 5 ? 0 : lower[2] }

    /// The middle of the body (the 0.45 quantile for a share of a tenth).
    package var bodyMiddle: Float { count < 5 ? 0 : lower[1] }

    /// Minus log10 of the estimated share of values that exceed `value`; 0 within the body.
    ///
    /// - Parameter grain: differences smaller than this mean nothing (rounding, quantisation); the mean excess is never
    ///   taken as smaller.
    package func evidence(of value: Float, grain: Float) -> Float {
        guard count >= Self.countMin, value > bodyEnd else { return 0 }
        let mean = max(excessCount > 0 ? excessSum / excessCount : 0, max(grain, .leastNormalMagnitude))
        let rate = max(1, excessCount) / count
        return -log10f(rate) + (value - bodyEnd) / mean / 2.302_585
    }

    /// The value that has this evidence; infinite while there is none.
    package func value(at evidence: Float, grain: Float) -> Float {
        guard count >= Self.countMin else { return .infinity }
        let mean = max(excessCount > 0 ? excessSum / excessCount : 0, max(grain, .leastNormalMagnitude))
        let rate = max(1, excessCount) / count
        return bodyEnd + max(0, evidence + log10f(rate)) * mean * 2.302_585
    }

    /// Takes one finite value into the history.
    package mutating func add(_ value: Float, share: Float) {
        if count >= Self.countMin, value > bodyEnd {
            excessSum += value - bodyEnd
            excessCount += 1
        }
        if count < 5 { return insert(value) }
        count += 1
        moveMarkers(value, quantile: 1 - share)
        if count > Self.countMax { fade() }
    }

    private mutating func insert(_ value: Float) {
        var place = Int(count)
        while place > 0, lower[place - 1] > value {
            if place == 4 { top = lower[3] } else { lower[place] = lower[place - 1] }
            place -= 1
        }
        if place == 4 { top = value } else { lower[place] = value }
        count += 1
    }

    private mutating func moveMarkers(_ value: Float, quantile: Float) {
        lower[0] = min(lower[0], value)
        top = max(top, value)
        for marker in 1...4 where value < height(marker) || marker == 4 { ranks[marker - 1] += 1 }
        let last = rank(4)
        let wanted = SIMD4<Float>(0, last * quantile / 2, last * quantile, last * (1 + quantile) / 2)
        for marker in 1...3 {
            let lack = wanted[marker] - rank(marker)
            let above = rank(marker + 1) - rank(marker)
            let below = rank(marker - 1) - rank(marker)
            guard (lack >= 1 && above > 1) || (lack <= -1 && below < -1) else { continue }
            let step: Float = lack < 0 ? -1 : 1
            let here = lower[marker]
            let rise = (height(marker + 1) - here) / above
            let fall = (lower[marker - 1] - here) / below
            let parabolic = here + step / (above - below) * ((step - below) * rise + (above - step) * fall)
            if parabolic > lower[marker - 1], parabolic < height(marker + 1) {
                lower[marker] = parabolic
            } else {
                lower[marker] += step * (step > 0 ? rise : fall)
            }
            ranks[marker - 1] += step
        }
    }

    private mutating func fade() {
        count = (count / 2).rounded(.up)
        excessSum /= 2
        excessCount /= 2
        for marker in 1...4 {
            ranks[marker - 1] = max(rank(marker - 1) + 1, (rank(marker) / 2).rounded())
        }
    }
}
