/// From a counter's readings to a rate per second, as a detector wants it.
package struct CounterRate: Sendable, Equatable {
    private var last: Double = .nan
    private var lastTime: Int64 = .min

    package init() {}

    /// Nil for the first reading, after a reset (the value fell), for what is not finite, and when time did not pass.
    package mutating func rate(of value: Double, at time: Int64) -> Double? {
        guard value.isFinite else { return nil }
        defer { (last, lastTime) = (value, time) }
        guard lastTime != .min, time > lastTime, value >= last else { return nil }
        return (value - last) / Double(time - lastTime) * 1_000
    }
}
