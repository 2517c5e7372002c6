/// Exponential back-off with full jitter: the n-th delay is uniform in 0...min(cap, base × 2^n),
/// never below `floor`, so that a fleet cut off at once does not come back at once.
public struct Backoff: Sendable {
    public let baseMilliseconds: Int64
    public let capMilliseconds: Int64
    public let floorMilliseconds: Int64
    public private(set) var attempts = 0

    public init(baseMilliseconds: Int64, capMilliseconds: Int64, floorMilliseconds: Int64 = 50) {
        precondition(baseMilliseconds > 0 && capMilliseconds >= baseMilliseconds && floorMilliseconds >= 0)
        self.baseMilliseconds = baseMilliseconds
        self.capMilliseconds = capMilliseconds
        self.floorMilliseconds = floorMilliseconds
    }

    public mutating func nextDelayMilliseconds(using generator: inout some RandomNumberGenerator) -> Int64 {
        let ceiling = min(capMilliseconds, baseMilliseconds << min(attempts, 20))
        attempts += 1
        return max(floorMilliseconds, Int64.random(in: 0...ceiling, using: &generator))
    }

    public mutating func reset() { attempts = 0 }
}
