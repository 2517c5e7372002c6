extension RangeFunction {
    /// Computes one row of samples that stand for several, for the functions that look at how many.
    /// - Parameter weights: as ``SampleBuffer/weights``, one per sample.
    /// - Returns: false for other functions; then nothing was computed.
    func evaluate(
        _ samples: WindowedSamples, weights: [Double], into output: UnsafeMutableBufferPointer<Double>
    ) -> Bool {
        // Whole numbers, so that differences are exact.
        var counts = [0.0]
        counts.reserveCapacity(weights.count + 1)
        var total = 0.0
        for weight in weights {
            total += weight
            counts.append(total)
        }
        switch self {
        case .countOverTime: samples.slide(into: output) { low, high, _ in counts[high] - counts[low] }
        case .averageOverTime:
            let sums = WindowSums(samples)
            samples.slide(into: output) { low, high, _ in sums.mean(low, high, count: counts[high] - counts[low]) }
        case .rate: Self.extrapolate(samples, into: output, isCounter: true, isRate: true, counts: counts)
        case .increase: Self.extrapolate(samples, into: output, isCounter: true, isRate: false, counts: counts)
        case .delta: Self.extrapolate(samples, into: output, isCounter: false, isRate: false, counts: counts)
        default: return false
        }
        return true
    }
}
