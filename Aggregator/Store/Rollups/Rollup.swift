import Telemetry
import WireFormat

/// What the samples of one series in a stretch of time amount to.
///
/// The stretch reaches from the multiple of the tier's width before ``stamp`` (excluded) to the stamp (included), as
/// PromQL's windows do. Staleness markers count for nothing; other NaNs count, make ``sum`` NaN, and are neither
/// minimum nor maximum unless there is nothing else.
package struct Rollup: Hashable, Sendable {
    /// Milliseconds.
    package var stamp: Int64
    package var count: Double
    package var sum: Double
    package var min: Double
    package var max: Double
    package var first: Double
    package var last: Double
    /// From ``first`` to ``last``, as of a counter: a value below its predecessor is a reset, and counts from 0.
    package var increase: Double

    /// What a counter grew by from one value to the next.
    static func growth(_ previous: Double, _ next: Double) -> Double { next < previous ? next : next - previous }

    init(_ stamp: Int64, _ value: Double) {
        self.stamp = stamp
        (count, sum, min, max, first, last, increase) = (1, value, value, value, value, value, 0)
    }

    init(
        stamp: Int64, count: Double, sum: Double, min: Double, max: Double, first: Double, last: Double,
        increase: Double
    ) {
        self.stamp = stamp
        self.count = count
        self.sum = sum
        self.min = min
        self.max = max
        self.first = first
        self.last = last
        self.increase = increase
    }

    mutating func add(_ value: Double) {
        count += 1
        sum += value
        if value < min || min.isNaN { min = value }
        if value > max || max.isNaN { max = value }
        increase += Self.growth(last, value)
        last = value
    }

    /// What follows in time.
    mutating func add(_ next: Rollup) {
        count += next.count
        sum += next.sum
        if next.min < min || min.isNaN { min = next.min }
        if next.max > max || max.isNaN { max = next.max }
        increase += Self.growth(last, next.first) + next.increase
        last = next.last
    }
}

/// The stretches into which one window of level 1 is rolled up.
///
/// A window of level 1 holds the samples from its first to before its last instant, stretches those after one multiple
/// of the width up to the next. So that windows can be rolled up each by itself, a sample right at a window's first
/// instant is a stretch of its own, and the last stretch is stamped a millisecond before the window's end: whoever
/// adds up what is stamped between two multiples of the width has exactly the samples between them.
enum RollupWindow {
    static func stamp(_ time: Int64, width: Int64, end: Int64) -> Int64 {
        let rest = time % width
        let up = rest == 0 ? time : time &- rest &+ (rest > 0 ? width : 0)
        return Swift.min(up, end &- 1)
    }

    /// The times that a rollup stands for, given its stamp.
    static func stretch(_ stamp: Int64, width: Int64) -> ClosedRange<Int64> {
        if stamp % StoreLimits.windowMilliseconds == 0 { return stamp...stamp }
        let rest = stamp % width
        return (rest > 0 ? stamp - rest : stamp - width - rest) + 1...stamp
    }

    /// - Parameter end: of the window of level 1 that holds the samples.
    static func roll(_ column: SampleColumn, width: Int64, end: Int64, into rollups: inout [Rollup]) {
        rollups.removeAll(keepingCapacity: true)
        var index = 0
        let count = column.times.count
        while index < count {
            let stamp = stamp(column.times[index], width: width, end: end)
            var current: Rollup?
            while index < count, column.times[index] <= stamp {
                let value = column.values?[index] ?? column.constant
                index += 1
                guard value.bitPattern != stalenessBits else { continue }
                if current == nil { current = Rollup(stamp, value) } else { current?.add(value) }
            }
            if let current { rollups.append(current) }
        }
    }

    /// Prometheus' marker that a series has ended.
    static let stalenessBits: UInt64 = 0x7FF0_0000_0000_0002

    /// Wider ones of narrower ones.
    static func roll(_ narrow: [Rollup], width: Int64, end: Int64) -> [Rollup] {
        var wide: [Rollup] = []
        for rollup in narrow {
            let stamp = stamp(rollup.stamp, width: width, end: end)
            if wide.last?.stamp == stamp {
                wide[wide.count - 1].add(rollup)
            } else {
                wide.append(rollup)
                wide[wide.count - 1].stamp = stamp
            }
        }
        return wide
    }
}
