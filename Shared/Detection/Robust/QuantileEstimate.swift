/// A quantile of a stream in five markers, without keeping values (P², Jain and Chlamtac, CACM 28(10), 1985).
/// 88 bytes. Exact up to five values; of some hundreds, within a few percent of the spread.
package struct QuantileEstimate: Sendable {
    /// The share of values below, 0...1.
    package let share: Double
    /// Values taken in; those that are not finite are not.
    package private(set) var count = 0
    private var heights: SIMD8<Double> = .zero
    /// Ranks of the markers, from 0; the last one's is `count - 1`.
    private var ranks: SIMD4<Int32> = [0, 1, 2, 3]

    /// - Precondition: `share` is within 0...1.
    package init(share: Double) {
        precondition((0...1).contains(share), "share \(share)")
        self.share = share
    }

    /// The estimate; nil before the first value.
    package var value: Double? {
        guard count > 0 else { return nil }
        guard count <= 5 else { return share == 0 ? heights[0] : share == 1 ? heights[4] : heights[2] }
        return heights[min(count - 1, Int((share * Double(count - 1)).rounded()))]
    }

    package mutating func add(_ value: Double) {
        guard value.isFinite else { return }
        guard count >= 5 else { return insert(value) }
        count += 1
        heights[0] = min(heights[0], value)
        heights[4] = max(heights[4], value)
        for marker in 1...3 where value < heights[marker] { ranks[marker] += 1 }
        for marker in 1...3 { move(marker) }
    }

    private mutating func insert(_ value: Double) {
        var position = count
        while position > 0, heights[position - 1] > value {
            heights[position] = heights[position - 1]
            position -= 1
        }
        heights[position] = value
        count += 1
    }

    private func rank(_ marker: Int) -> Double { marker == 4 ? Double(count - 1) : Double(ranks[marker]) }

    /// Where the marker should stand: at half the share, the share, and halfway to 1.
    private func wanted(_ marker: Int) -> Double {
        let part =
            switch marker {
            case 1: share / 2
            case 2: share
            default: (1 + share) / 2
            }
        return part * Double(count - 1)
    }

    /// Moves a marker by a rank towards where it should stand, along a parabola through its neighbours if that keeps
    /// heights in order, else along a line.
    private mutating func move(_ marker: Int) {
        let (before, here, after) = (rank(marker - 1), rank(marker), rank(marker + 1))
        let missing = wanted(marker) - here
        guard (missing >= 1 && after - here > 1) || (missing <= -1 && before - here < -1) else { return }
        let step: Double = missing > 0 ? 1 : -1
        let (low, height, high) = (heights[marker - 1], heights[marker], heights[marker + 1])
        let up = (here - before + step) * (high - height) / (after - here)
        let down = (after - here - step) * (height - low) / (here - before)
        let parabola = height + step / (after - before) * (up + down)
        let line = height + (missing > 0 ? (high - height) / (after - here) : (low - height) / (here - before))
        heights[marker] = low < parabola && parabola < high ? parabola : line
        ranks[marker] += Int32(step)
    }
}
