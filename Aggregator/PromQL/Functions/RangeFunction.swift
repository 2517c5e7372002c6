/// Functions of the samples in a window before each step.
enum RangeFunction: String, Sendable, Hashable {
    case rate, increase, delta, irate, idelta, deriv, changes, resets
    case predictLinear = "predict_linear"
    case averageOverTime = "avg_over_time"
    case countOverTime = "count_over_time"
    case firstOverTime = "first_over_time"
    case lastOverTime = "last_over_time"
    case maxOverTime = "max_over_time"
    case minOverTime = "min_over_time"
    case sumOverTime = "sum_over_time"
    case stddevOverTime = "stddev_over_time"
    case stdvarOverTime = "stdvar_over_time"
    case presentOverTime = "present_over_time"
    case quantileOverTime = "quantile_over_time"
    case madOverTime = "mad_over_time"
    case doubleExponentialSmoothing = "double_exponential_smoothing"
    case timeOfFirst = "ts_of_first_over_time"
    case timeOfLast = "ts_of_last_over_time"
    case timeOfMax = "ts_of_max_over_time"
    case timeOfMin = "ts_of_min_over_time"

    /// The first and the last sample are still samples of their metric.
    var keepsName: Bool { self == .firstOverTime || self == .lastOverTime }

    static func allowed(with windowExtension: WindowExtension) -> Set<RangeFunction> {
        switch windowExtension {
        case .anchored: [.resets, .changes, .rate, .increase, .delta]
        case .smoothed: [.rate, .increase, .delta]
        }
    }
}

/// One series' samples without staleness markers, and the windows over them: `(end - width, end]` for each step.
struct WindowedSamples {
    let timestamps: UnsafeBufferPointer<Int64>
    let values: UnsafeBufferPointer<Double>
    let grid: TimeGrid
    /// Milliseconds.
    let width: Int64
    let offset: Int64
    let at: Int64?

    @inline(__always) func end(_ step: Int) -> Int64 { (at ?? grid.time(step)) &- offset }

    /// Calls `body` with the samples `low..<high` of every window that has some; the others get no result.
    ///
    /// Both bounds only move forward, so that all windows together cost one pass over the samples.
    @inline(__always)
    func slide(
        into output: UnsafeMutableBufferPointer<Double>, _ body: (_ low: Int, _ high: Int, _ step: Int) -> Double
    ) {
        var (low, lowStride) = (0, 0)
        var (high, highStride) = (0, 0)
        for step in 0..<grid.count {
            let end = end(step)
            advance(&high, &highStride, beyond: end)
            advance(&low, &lowStride, beyond: end &- width)
            output[step] = low < high ? body(low, high, step) : Frame.absent
        }
    }

    /// Moves an index to the first sample behind `bound`; mostly as far as it moved last, since samples are regular.
    /// - Precondition: the samples before it are not behind `bound`.
    @inline(__always)
    private func advance(_ index: inout Int, _ stride: inout Int, beyond bound: Int64) {
        let count = timestamps.count
        let guess = index &+ stride
        if guess <= count, guess == count || timestamps[guess] > bound,
            stride == 0 || timestamps[guess &- 1] <= bound
        {
            index = guess
            return
        }
        let before = index
        while index < count, timestamps[index] <= bound { index &+= 1 }
        stride = index &- before
    }
}

extension RangeFunction {
    /// Computes one row.
    /// - Parameter parameters: one column per scalar parameter, a value per step.
    func evaluate(
        _ samples: WindowedSamples, _ parameters: [[Double]], into output: UnsafeMutableBufferPointer<Double>
    ) throws(QueryError) {
        let (times, values) = (samples.timestamps, samples.values)
        switch self {
        case .rate: Self.extrapolate(samples, into: output, isCounter: true, isRate: true)
        case .increase: Self.extrapolate(samples, into: output, isCounter: true, isRate: false)
        case .delta: Self.extrapolate(samples, into: output, isCounter: false, isRate: false)
        case .irate: samples.slide(into: output) { low, high, _ in Self.lastChange(samples, low, high, isRate: true) }
        case .idelta:
            samples.slide(into: output) { low, high, _ in Self.lastChange(samples, low, high, isRate: false) }
        case .countOverTime: samples.slide(into: output) { low, high, _ in Double(high - low) }
        case .presentOverTime: samples.slide(into: output) { _, _, _ in 1 }
        case .firstOverTime: samples.slide(into: output) { low, _, _ in values[low] }
        case .lastOverTime: samples.slide(into: output) { _, high, _ in values[high - 1] }
        case .timeOfFirst: samples.slide(into: output) { low, _, _ in Double(times[low]) / 1000 }
        case .timeOfLast: samples.slide(into: output) { _, high, _ in Double(times[high - 1]) / 1000 }
        case .sumOverTime:
            let sums = WindowSums(samples)
            samples.slide(into: output) { low, high, _ in sums.sum(low, high) }
        case .averageOverTime:
            let sums = WindowSums(samples)
            samples.slide(into: output) { low, high, _ in sums.mean(low, high) }
        case .maxOverTime: WindowExtremes.slide(samples, into: output, >)
        case .minOverTime: WindowExtremes.slide(samples, into: output, <)
        case .timeOfMax:
            samples.slide(into: output) { low, high, _ in Double(times[Self.extreme(values, low, high, >=)]) / 1000 }
        case .timeOfMin:
            samples.slide(into: output) { low, high, _ in Double(times[Self.extreme(values, low, high, <=)]) / 1000 }
        case .stdvarOverTime: samples.slide(into: output) { low, high, _ in Self.variance(values, low, high) }
        case .stddevOverTime:
            samples.slide(into: output) { low, high, _ in Self.variance(values, low, high).squareRoot() }
        case .changes:
            samples.slide(into: output) { low, high, _ in Double(Self.changes(values, low, high)) }
        case .resets:
            samples.slide(into: output) { low, high, _ in Double(Self.resets(values, low, high)) }
        case .deriv:
            samples.slide(into: output) { low, high, _ in
                high - low < 2 ? Frame.absent : Self.regression(samples, low, high, around: times[low]).slope
            }
        case .predictLinear:
            samples.slide(into: output) { low, high, step in
                guard high - low >= 2 else { return Frame.absent }
                let line = Self.regression(samples, low, high, around: samples.grid.time(step))
                return line.slope * parameters[0][step] + line.intercept
            }
        case .quantileOverTime:
            var scratch: [Double] = []
            samples.slide(into: output) { low, high, step in
                scratch.removeAll(keepingCapacity: true)
                scratch.append(contentsOf: values[low..<high])
                return Quantile.of(parameters[0][step], &scratch)
            }
        case .madOverTime:
            var scratch: [Double] = []
            samples.slide(into: output) { low, high, _ in
                scratch.removeAll(keepingCapacity: true)
                scratch.append(contentsOf: values[low..<high])
                if scratch.contains(where: \.isNaN) { return .nan }
                let median = Quantile.of(0.5, &scratch)
                for index in scratch.indices { scratch[index] = abs(scratch[index] - median) }
                return Quantile.of(0.5, &scratch)
            }
        case .doubleExponentialSmoothing:
            var problem: QueryError?
            samples.slide(into: output) { low, high, step in
                let (smoothing, trend) = (parameters[0][step], parameters[1][step])
                for (name, factor, symbol) in [("smoothing", smoothing, "sf"), ("trend", trend, "tf")]
                where factor <= 0 || factor >= 1 {
                    problem = QueryError(
                        .execution,
                        "invalid \(name) factor. Expected: 0 < \(symbol) < 1, got: \(FloatText.fixed(factor, 6))")
                }
                return high - low < 2 ? Frame.absent : Self.smooth(values, low, high, smoothing, trend)
            }
            if let problem { throw problem }
        }
    }

    /// The first index for which no other value is `better`; NaN only if all are.
    @inline(__always)
    private static func extreme(
        _ values: UnsafeBufferPointer<Double>, _ low: Int, _ high: Int, _ isBetter: (Double, Double) -> Bool
    ) -> Int {
        var found = low
        for index in low..<high where isBetter(values[index], values[found]) || values[found].isNaN { found = index }
        return found
    }

    /// Welford's method with compensated sums.
    private static func variance(_ values: UnsafeBufferPointer<Double>, _ low: Int, _ high: Int) -> Double {
        var count = 0.0
        var mean = KahanSum()
        var squares = KahanSum()
        for index in low..<high {
            count += 1
            let delta = values[index] - mean.total
            mean.add(delta / count)
            squares.add(delta * (values[index] - mean.total))
        }
        return squares.total / count
    }

    static func changes(_ values: UnsafeBufferPointer<Double>, _ low: Int, _ high: Int) -> Int {
        var count = 0
        for index in (low + 1)..<high {
            let (value, previous) = (values[index], values[index - 1])
            if value != previous, !(value.isNaN && previous.isNaN) { count += 1 }
        }
        return count
    }

    static func resets(_ values: UnsafeBufferPointer<Double>, _ low: Int, _ high: Int) -> Int {
        var count = 0
        for index in (low + 1)..<high where values[index] < values[index - 1] { count += 1 }
        return count
    }

    private static func smooth(
        _ values: UnsafeBufferPointer<Double>, _ low: Int, _ high: Int, _ smoothing: Double, _ trend: Double
    ) -> Double {
        var previous = 0.0
        var smoothed = values[low]
        var slope = values[low + 1] - values[low]
        for index in (low + 1)..<high {
            if index > low + 1 { slope = trend * (smoothed - previous) + (1 - trend) * slope }
            let next = smoothing * values[index] + (1 - smoothing) * (smoothed + slope)
            (previous, smoothed) = (smoothed, next)
        }
        return smoothed
    }
}
