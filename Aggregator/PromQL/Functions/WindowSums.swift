/// Compensated sums over windows of one series.
///
/// Long windows that overlap are put together from sums of blocks, made once per series; short ones, and those whose
/// sum overflows, are summed sample by sample.
struct WindowSums {
    private static let blockLength = 16
    /// Windows of fewer samples are summed directly.
    private static let blocksFrom = 64

    private let values: UnsafeBufferPointer<Double>
    /// Sum and rounding error of each whole block.
    private var blocks: [(sum: Double, error: Double)] = []

    init(_ samples: WindowedSamples) {
        values = samples.values
        // A single window is read once anyway.
        guard samples.grid.count > 2, values.count >= Self.blocksFrom else { return }
        blocks.reserveCapacity(values.count / Self.blockLength)
        var start = 0
        while start + Self.blockLength <= values.count {
            blocks.append(Self.total(values, start, start + Self.blockLength, (0, 0)))
            start += Self.blockLength
        }
    }

    /// Knuth's two-sum keeps the error of every addition, without branches. Beyond an overflow the error is NaN.
    @inline(__always)
    private static func add(_ value: Double, _ total: (sum: Double, error: Double)) -> (sum: Double, error: Double) {
        let sum = total.sum + value
        let part = sum - total.sum
        return (sum, total.error + ((total.sum - (sum - part)) + (value - part)))
    }

    @inline(__always)
    private static func total(
        _ values: UnsafeBufferPointer<Double>, _ low: Int, _ high: Int, _ start: (sum: Double, error: Double)
    ) -> (sum: Double, error: Double) {
        var total = start
        var index = low
        if high - low >= blocksFrom { total = add(inLanes(values, low, high, end: &index), total) }
        while index < high {
            total = add(values[index], total)
            index += 1
        }
        return total
    }

    @inline(__always)
    private static func add(
        _ part: (sum: Double, error: Double), _ total: (sum: Double, error: Double)
    ) -> (sum: Double, error: Double) {
        var total = add(part.sum, total)
        total.error += part.error
        return total
    }

    /// Four sums side by side, since one would wait for each addition.
    /// - Parameter end: behind the last value summed.
    @inline(__always)
    private static func inLanes(
        _ values: UnsafeBufferPointer<Double>, _ low: Int, _ high: Int, end: inout Int
    ) -> (sum: Double, error: Double) {
        var sums = SIMD4<Double>.zero
        var errors = SIMD4<Double>.zero
        var index = low
        while index + 4 <= high {
            let four = SIMD4(values[index], values[index + 1], values[index + 2], values[index + 3])
            let next = sums + four
            let part = next - sums
            errors += (sums - (next - part)) + (four - part)
            sums = next
            index += 4
        }
        end = index
        var total = (sum: sums[0], error: errors[0])
        for lane in 1..<4 { total = add((sums[lane], errors[lane]), total) }
        return total
    }

    @inline(__always)
    private func total(_ low: Int, _ high: Int) -> (sum: Double, error: Double) {
        guard high - low >= Self.blocksFrom, !blocks.isEmpty else {
            return Self.total(values, low + 1, high, (values[low], 0))
        }
        let firstBlock = (low + Self.blockLength - 1) / Self.blockLength
        let lastBlock = high / Self.blockLength
        var total = Self.total(values, low, firstBlock * Self.blockLength, (0, 0))
        for block in firstBlock..<lastBlock {
            total = Self.add(blocks[block], total)
        }
        return Self.total(values, lastBlock * Self.blockLength, high, total)
    }

    @inline(__always)
    func sum(_ low: Int, _ high: Int) -> Double {
        let total = total(low, high)
        return total.sum.isFinite ? total.sum + total.error : total.sum
    }

    @inline(__always)
    func mean(_ low: Int, _ high: Int) -> Double {
        let total = total(low, high)
        guard total.sum.isFinite else { return carefulMean(low, high) }
        let count = Double(high - low)
        return total.sum / count + total.error / count
    }

    /// Of values that are sums themselves.
    /// - Parameter count: of what was summed.
    func mean(_ low: Int, _ high: Int, count: Double) -> Double {
        let total = total(low, high)
        if total.sum.isFinite { return total.sum / count + total.error / count }
        var mean = KahanSum()
        for index in low..<high { mean.add(values[index] / count) }
        return mean.total
    }

    /// For sums beyond the largest number, infinities and NaN.
    @inline(never)
    private func carefulMean(_ low: Int, _ high: Int) -> Double {
        var mean = KahanMean(values[low])
        for index in (low + 1)..<high { mean.add(values[index]) }
        return mean.mean
    }
}

/// The largest or smallest sample of every window in one pass: the samples that may still become it wait in a queue.
enum WindowExtremes {
    static func slide(
        _ samples: WindowedSamples, into output: UnsafeMutableBufferPointer<Double>,
        _ isBetter: (Double, Double) -> Bool
    ) {
        let values = samples.values
        var queue: [Int] = []
        var head = 0
        var next = 0
        samples.slide(into: output) { low, high, _ in
            next = max(next, low)
            while next < high {
                let value = values[next]
                // NaN never wins.
                if !value.isNaN {
                    while queue.count > head, let last = queue.last, !isBetter(values[last], value) {
                        queue.removeLast()
                    }
                    queue.append(next)
                }
                next += 1
            }
            while head < queue.count, queue[head] < low { head += 1 }
            if head > 4096 {
                queue.removeFirst(head)
                head = 0
            }
            return head < queue.count ? values[queue[head]] : values[low]
        }
    }
}
