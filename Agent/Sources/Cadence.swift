public import Telemetry

/// Instants on the wall clock's grid of an interval, waited for on the monotonic clock: all reports of a source lie on
/// one timeline, and a clock that steps moves it once.
public struct Cadence: Sendable, Equatable {
    public let intervalMilliseconds: Int64
    /// From the grid, so that not everything happens at once; less than the interval.
    public let offsetMilliseconds: Int64
    private var instant: Int64
    /// Monotonic milliseconds.
    public private(set) var dueMilliseconds: Int64

    /// - Precondition: an interval of at least 1 ms.
    public init(
        intervalMilliseconds: Int64, offsetMilliseconds: Int64 = 0, now: Timestamp, monotonicMilliseconds: Int64
    ) {
        precondition(intervalMilliseconds > 0, "an interval of \(intervalMilliseconds) ms")
        self.intervalMilliseconds = intervalMilliseconds
        self.offsetMilliseconds = offsetMilliseconds % intervalMilliseconds
        instant = 0
        dueMilliseconds = 0
        schedule(now, monotonicMilliseconds)
    }

    /// - Returns: the instant that has come, nil if none has; instants missed are passed over.
    public mutating func take(now: Timestamp, monotonicMilliseconds: Int64) -> Timestamp? {
        guard monotonicMilliseconds >= dueMilliseconds else { return nil }
        let isNear = abs(now.milliseconds(since: Timestamp(milliseconds: instant))) < intervalMilliseconds
        let taken = isNear ? instant : now.milliseconds - phase(now.milliseconds)
        schedule(now, monotonicMilliseconds)
        return Timestamp(milliseconds: taken)
    }

    private mutating func schedule(_ now: Timestamp, _ monotonic: Int64) {
        let wait = intervalMilliseconds - phase(now.milliseconds)
        instant = now.advanced(byMilliseconds: wait).milliseconds
        dueMilliseconds = monotonic + wait
    }

    /// Milliseconds since the last instant of the grid, 0 ..< interval.
    private func phase(_ milliseconds: Int64) -> Int64 {
        let rest = (milliseconds % intervalMilliseconds - offsetMilliseconds) % intervalMilliseconds
        return rest < 0 ? rest + intervalMilliseconds : rest
    }
}
