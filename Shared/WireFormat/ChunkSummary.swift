/// What a chunk of one series amounts to, computed while encoding.
///
/// NaNs (Prometheus's stale markers among them) count for nothing but `last`; with nothing but NaNs,
/// `sum` is 0 and `min` and `max` are NaN.
public struct ChunkSummary: Sendable, Equatable {
    public var count = 0
    public var sum = 0.0
    public var min = Double.nan
    public var max = Double.nan
    public var last = Double.nan

    public init(_ values: UnsafeBufferPointer<Double>) {
        guard let final = values.last else { return }
        last = final
        var low = Double.infinity
        var high = -Double.infinity
        for value in values where value == value {
            count += 1
            sum += value
            low = value < low ? value : low
            high = value > high ? value : high
        }
        if count > 0 { (min, max) = (low, high) }
    }

    /// Of `count` equal values.
    init(constant value: Double, count: Int) {
        last = value
        guard value == value else { return }
        self.count = count
        sum = value * Double(count)
        (min, max) = (value, value)
    }
}
