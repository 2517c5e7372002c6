#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Turns distances of any scale into evidence: minus the decimal logarithm of how often so large a distance was met.
///
/// The body's upper end (the `1 - share` quantile) is followed by the P² estimate of Jain and Chlamtac ("The P²
/// algorithm for dynamic calculation of quantiles and histograms without storing observations", CACM 28, 1985); what
/// exceeds it is taken as exponential, whose one parameter is the mean excess. So 32 numbers of history suffice, and
/// 2.0 means the same for every series: one in a hundred.
package struct TailCalibration: Sendable, Equatable {
    /// Values after which all counts are halved, so that old days fade: 20 000 cells of 10 s are 2.3 days.
    static let countMax: Float = 20_000
    /// Below this many values there is no evidence.
    static let countMin: Float = 20

    var heights = SIMD8<Float>(repeating: 0)
    var positions = SIMD8<Float>(0, 1, 2, 3, 4, 0, 0, 0)
    var count: Float = 0
    var excessSum: Float = 0
    var excessCount: Float = 0

    package init() {}

    /// The upper end of the body, 0 before there are five values.
    package var bodyEnd: Float { count < 5 ? 0 : heights[2] }

    /// The middle of the body (the 0.45 quantile for a share of a tenth).
    package var bodyMiddle: Float { count < 5 ? 0 : heights[1] }

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

    /// Takes one finite value into the history.
    package mutating func add(_ value: Float, share: Float) {
        if count >= Self.countMin, value > bodyEnd {
            excessSum += value - bodyEnd
            excessCount += 1
        }
        if count < 5 {
            var slot = Int(count)
            while slot > 0, heights[slot - 1] > value {
                heights[slot] = heights[slot - 1]
                slot -= 1
            }
            heights[slot] = value
            count += 1
            return
        }
        count += 1
        moveMarkers(value, quantile: 1 - share)
        if count > Self.countMax { fade() }
    }

    private mutating func moveMarkers(_ value: Float, quantile: Float) {
        heights[0] = min(heights[0], value)
        heights[4] = max(heights[4], value)
        for marker in 1...4 where value < heights[marker] || marker == 4 { positions[marker] += 1 }
        let last = positions[4]
        let wanted = SIMD4<Float>(0, last * quantile / 2, last * quantile, last * (1 + quantile) / 2)
        for marker in 1...3 {
            let lack = wanted[marker] - positions[marker]
            let above = positions[marker + 1] - positions[marker]
            let below = positions[marker - 1] - positions[marker]
            guard (lack >= 1 && above > 1) || (lack <= -1 && below < -1) else { continue }
            let step: Float = lack < 0 ? -1 : 1
            let rise = (heights[marker + 1] - heights[marker]) / above
            let fall = (heights[marker - 1] - heights[marker]) / below
            let parabolic =
                heights[marker] + step / (above - below) * ((step - below) * rise + (above - step) * fall)
            if parabolic > heights[marker - 1], parabolic < heights[marker + 1] {
                heights[marker] = parabolic
            } else {
                heights[marker] += step * (step > 0 ? rise : fall)
            }
            positions[marker] += step
        }
    }

    private mutating func fade() {
        count = (count / 2).rounded(.up)
        excessSum /= 2
        excessCount /= 2
        for marker in 1...4 {
            positions[marker] = max(positions[marker - 1] + 1, (positions[marker] / 2).rounded())
        }
    }
}
