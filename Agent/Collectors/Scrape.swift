public import Telemetry

/// The values that all collectors of one interval read at one instant.
///
/// Series are handles: handle `h` is the `h`-th descriptor handed over in `newDescriptors` in this `generation`
/// (scrapes arrive in order, so appending them to one array resolves every handle).
public struct Scrape: Sendable {
    /// The tick on the wall-clock grid; follows the clock, so it may step back when the clock does.
    public var timestamp: Timestamp
    /// The interval that these collectors share: scrapes of one interval form one timeline.
    public var intervalMilliseconds: Int64
    /// Equal in two scrapes of a runner exactly when `handles` and `startTimestamps` are equal in both, so that
    /// what is derived from them (numbers, order) can be kept.
    public var layout: UInt64
    /// Descriptors that appear for the first time, in the order of their handles; usually empty.
    public var newDescriptors: [SeriesDescriptor]
    /// Each series at most once.
    public var handles: [UInt32]
    /// In the order of `handles`.
    public var values: [Double]
    /// In the order of `handles`: since when each counter counts, milliseconds, 0 where unknown or no counter.
    public var startTimestamps: [Int64]
    /// Collectors that gave nothing this time, and why.
    public var failures: [CollectorFailure]
    /// Grows when all handles begin anew: the next descriptor is handle 0 again. Layouts go on.
    public var generation: UInt64

    public init(
        timestamp: Timestamp, intervalMilliseconds: Int64, layout: UInt64 = 0,
        newDescriptors: [SeriesDescriptor] = [], handles: [UInt32] = [], values: [Double] = [],
        startTimestamps: [Int64] = [], failures: [CollectorFailure] = [], generation: UInt64 = 0
    ) {
        self.generation = generation
        self.timestamp = timestamp
        self.intervalMilliseconds = intervalMilliseconds
        self.layout = layout
        self.newDescriptors = newDescriptors
        self.handles = handles
        self.values = values
        self.startTimestamps = startTimestamps
        self.failures = failures
    }
}

/// A collection that gave nothing.
public struct CollectorFailure: Sendable, Equatable {
    public enum Reason: Sendable, Equatable {
        case failed(CollectorError)
        /// Did not return within the timeout; its thread is left behind.
        case hung
    }
    public var collector: String
    public var reason: Reason
    public init(collector: String, reason: Reason) {
        self.collector = collector
        self.reason = reason
    }
}
