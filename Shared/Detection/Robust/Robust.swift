/// Statistics that a few wild values do not move. By selection (Hoare 1961), not by sorting: O(n).
/// Values must not be NaN; infinities are values like others.
package enum Robust {
    /// What makes the median absolute deviation of normal values their standard deviation: 1 / Φ⁻¹(3/4).
    package static let normalScale: Float = 1.482_602_2

    /// The value at a rank from 0, as if sorted. Reorders the values: none before it is greater, none behind it less.
    /// - Precondition: `0 <= rank < values.count`.
    package static func select(_ rank: Int, of values: inout [Float]) -> Float {
        precondition(values.indices.contains(rank), "rank \(rank) of \(values.count)")
        return values.withUnsafeMutableBufferPointer { select(rank, of: $0) }
    }

    /// The middle value, of an even count the mean of the two; nil if there is none. Reorders the values.
    package static func median(of values: inout [Float]) -> Float? {
        guard !values.isEmpty else { return nil }
        let upper = select(values.count / 2, of: &values)
        guard values.count % 2 == 0 else { return upper }
        // What stands before the rank is not greater, so its greatest is the value one rank below.
        var lower = values[0]
        for value in values[..<(values.count / 2)] where value > lower { lower = value }
        return lower / 2 + upper / 2
    }

    /// Median, and the median distance from it × 1.4826; nil if there is no value. `values` hold the distances after.
    package static func spread(of values: inout [Float]) -> (median: Float, deviation: Float)? {
        guard let middle = median(of: &values) else { return nil }
        for index in values.indices { values[index] = abs(values[index] - middle) }
        guard let deviation = median(of: &values) else { return nil }
        return (middle, deviation * normalScale)
    }

    private static func select(_ rank: Int, of values: UnsafeMutableBufferPointer<Float>) -> Float {
        var low = 0
        var high = values.count - 1
        while low < high {
            // The median of three as pivot keeps sorted and constant runs linear.
            let pivot = middle(values[low], values[(low + high) / 2], values[high])
            var left = low
            var right = high
            while left <= right {
                while values[left] < pivot { left += 1 }
                while values[right] > pivot { right -= 1 }
                guard left <= right else { break }
                values.swapAt(left, right)
                left += 1
                right -= 1
            }
            if rank <= right {
                high = right
            } else if rank >= left {
                low = left
            } else {
                break
            }
        }
        return values[rank]
    }

    private static func middle(_ a: Float, _ b: Float, _ c: Float) -> Float { max(min(a, b), min(max(a, b), c)) }
}
