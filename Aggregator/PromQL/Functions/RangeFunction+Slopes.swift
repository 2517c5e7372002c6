extension RangeFunction {
    /// `rate`, `increase` and `delta`: the change from the first to the last sample of each window, counter resets
    /// added, extrapolated to the window's edges as Prometheus does.
    ///
    /// An edge nearer than 1.1 times the mean distance of samples is reached; a farther one by half that distance; and
    /// no counter is extrapolated below zero.
    /// - Parameter counts: how many samples stand before each index; nil: one per index.
    static func extrapolate(
        _ samples: WindowedSamples, into output: UnsafeMutableBufferPointer<Double>, isCounter: Bool, isRate: Bool,
        counts: [Double]? = nil
    ) {
        let (times, values) = (samples.timestamps, samples.values)
        // Where the counter fell; each window adds what stood before the falls in it.
        var falls: [Int] = []
        if isCounter {
            for index in values.indices.dropFirst() where values[index] < values[index - 1] { falls.append(index) }
        }
        var firstFall = 0
        let seconds = Double(samples.width) / 1000
        samples.slide(into: output) { low, high, step in
            guard high - low >= 2 else { return Frame.absent }
            let last = high - 1
            var result = values[last] - values[low]
            while firstFall < falls.count, falls[firstFall] <= low { firstFall += 1 }
            var fall = firstFall
            while fall < falls.count, falls[fall] < high {
                result += values[falls[fall] - 1]
                fall += 1
            }
            let end = samples.end(step)
            var toStart = Double(times[low] - (end - samples.width)) / 1000
            var toEnd = Double(end - times[last]) / 1000
            let sampled = Double(times[last] - times[low]) / 1000
            let spacing = sampled / (counts.map { $0[high] - $0[low] - 1 } ?? Double(last - low))
            let threshold = spacing * 1.1
            if toStart >= threshold { toStart = spacing / 2 }
            if isCounter, result > 0, values[low] >= 0 {
                let toZero = sampled * (values[low] / result)
                if toZero < toStart { toStart = toZero }
            }
            if toEnd >= threshold { toEnd = spacing / 2 }
            var factor = (sampled + toStart + toEnd) / sampled
            if isRate { factor /= seconds }
            return result * factor
        }
    }

    /// `irate` and `idelta`: from the last two samples.
    @inline(__always)
    static func lastChange(_ samples: WindowedSamples, _ low: Int, _ high: Int, isRate: Bool) -> Double {
        guard high - low >= 2 else { return Frame.absent }
        let (last, previous) = (samples.values[high - 1], samples.values[high - 2])
        let interval = samples.timestamps[high - 1] - samples.timestamps[high - 2]
        guard interval != 0 else { return Frame.absent }
        // After a counter reset the counter began at zero.
        let change = isRate && last < previous ? last : last - previous
        return isRate ? change / (Double(interval) / 1000) : change
    }

    /// Least squares through the samples; `intercept` is the line's value at `around`.
    static func regression(
        _ samples: WindowedSamples, _ low: Int, _ high: Int, around: Int64
    ) -> (slope: Double, intercept: Double) {
        var (sumX, sumY, sumXY, sumXX) = (KahanSum(), KahanSum(), KahanSum(), KahanSum())
        let first = samples.values[low]
        var isConstant = true
        for index in low..<high {
            let y = samples.values[index]
            if y != first, index > low { isConstant = false }
            let x = Double(samples.timestamps[index] &- around) / 1000
            sumX.add(x)
            sumY.add(y)
            sumXY.add(x * y)
            sumXX.add(x * x)
        }
        if isConstant { return first.isInfinite ? (.nan, .nan) : (0, first) }
        let count = Double(high - low)
        let (x, y) = (sumX.total, sumY.total)
        let covariance = sumXY.total - x * y / count
        let variance = sumXX.total - x * x / count
        let slope = covariance / variance
        return (slope, y / count - slope * x / count)
    }
}
