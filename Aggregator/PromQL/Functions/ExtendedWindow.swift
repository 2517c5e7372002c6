/// `anchored` and `smoothed` windows: samples around a window tell the values at its edges, and nothing is
/// extrapolated.
///
/// Anchored, a window begins with the last sample at or before its start. Smoothed, the values at both edges are
/// interpolated between the samples around them.
struct ExtendedWindow {
    let samples: WindowedSamples
    let kind: WindowExtension
    /// How far around the window samples are looked for, milliseconds.
    let lookback: Int64

    func evaluate(_ function: RangeFunction, into output: UnsafeMutableBufferPointer<Double>) {
        let times = samples.timestamps
        var low = 0
        var high = 0
        for step in 0..<samples.grid.count {
            let end = samples.end(step)
            let start = end - samples.width
            let (first, last) = (start - lookback, kind == .smoothed ? end + lookback : end)
            while high < times.count, times[high] <= last { high += 1 }
            while low < high, times[low] <= first { low += 1 }
            output[step] = low < high ? value(function, low, high, start, end) : Frame.absent
        }
    }

    private func value(_ function: RangeFunction, _ low: Int, _ high: Int, _ start: Int64, _ end: Int64) -> Double {
        let (times, values) = (samples.timestamps, samples.values)
        if function == .changes || function == .resets {
            guard times[high - 1] > start else { return Frame.absent }
            let anchor = anchor(low, high, start)
            return Double(
                function == .changes
                    ? RangeFunction.changes(values, anchor, high) : RangeFunction.resets(values, anchor, high))
        }
        let isCounter = function != .delta
        guard let edges = edges(low, high, start, end, isCounter: isCounter) else { return Frame.absent }
        var result = edges.right - edges.left
        if isCounter {
            var previous = edges.left
            for index in edges.inner {
                if values[index] < previous { result += previous }
                previous = values[index]
            }
            if edges.right < previous { result += previous }
        }
        return function == .rate ? result / (Double(samples.width) / 1000) : result
    }

    /// The last sample at or before the start, or the first after it.
    private func anchor(_ low: Int, _ high: Int, _ start: Int64) -> Int {
        var index = low
        while index + 1 < high, samples.timestamps[index + 1] <= start { index += 1 }
        return index
    }

    /// The values at the window's edges and the samples strictly between them; nil when no sample is after the start.
    func edges(
        _ low: Int, _ high: Int, _ start: Int64, _ end: Int64, isCounter: Bool
    ) -> (left: Double, right: Double, inner: Range<Int>)? {
        let (times, values) = (samples.timestamps, samples.values)
        var first = anchor(low, high, start)
        if first == high - 1, high - 1 > low, times[first] <= start { first = high - 2 }
        var last = high - 1
        if kind == .smoothed {
            last = low
            while last < high - 1, times[last] < end { last += 1 }
        }
        guard times[last] > start else { return nil }
        var left = values[first]
        if kind == .smoothed, times[first] < start {
            left = interpolate(first, first + 1, at: start, isCounter: isCounter)
        }
        var right = values[last]
        if kind == .smoothed, last > 0, last > low, times[last] > end {
            right = interpolate(last - 1, last, at: end, isCounter: isCounter)
        }
        let innerStart = times[first] <= start ? first + 1 : first
        let innerEnd = times[last] >= end ? last : last + 1
        return (left, right, innerStart..<max(innerStart, innerEnd))
    }

    private func interpolate(_ before: Int, _ after: Int, at time: Int64, isCounter: Bool) -> Double {
        let y2 = samples.values[after]
        let y1 = isCounter && y2 < samples.values[before] ? 0 : samples.values[before]
        let (t1, t2) = (samples.timestamps[before], samples.timestamps[after])
        return y1 + (y2 - y1) * Double(time - t1) / Double(t2 - t1)
    }

    /// The value at each step itself, between the samples around it; one sample before the step counts alone.
    static func interpolated(
        _ samples: WindowedSamples, lookback: Int64, into output: UnsafeMutableBufferPointer<Double>
    ) {
        let window = ExtendedWindow(samples: samples, kind: .smoothed, lookback: lookback)
        let times = samples.timestamps
        var after = 0
        for step in 0..<samples.grid.count {
            let time = samples.end(step)
            while after < times.count, times[after] <= time { after += 1 }
            let hasBefore = after > 0 && times[after - 1] > time - lookback
            let hasAfter = after < times.count && times[after] <= time + lookback
            switch (hasBefore, hasAfter) {
            case (true, _) where times[after - 1] == time: output[step] = samples.values[after - 1]
            case (true, true):
                output[step] = window.interpolate(after - 1, after, at: time, isCounter: false)
            case (true, false): output[step] = samples.values[after - 1]
            case (false, _): output[step] = Frame.absent
            }
        }
    }
}
