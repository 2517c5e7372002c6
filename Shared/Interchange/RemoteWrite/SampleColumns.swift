/// Samples as three columns of one length, meant to be reused from body to body.
public struct SampleColumns: Sendable, Equatable {
    /// When a series' counter started, as remote write 2.0 and OTLP say.
    public struct Start: Sendable, Equatable {
        public var series: UInt32
        public var milliseconds: Int64
        public init(series: UInt32, milliseconds: Int64) {
            self.series = series
            self.milliseconds = milliseconds
        }
    }

    /// Numbers that the caller gave out.
    public var series: [UInt32] = []
    /// Milliseconds.
    public var timestamps: [Int64] = []
    public var values: [Double] = []
    /// At most one for each series and body.
    public var starts: [Start] = []

    public init() {}

    @inlinable public var count: Int { values.count }

    /// Keeps the memory.
    public mutating func removeAll() {
        series.removeAll(keepingCapacity: true)
        timestamps.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
    }

    mutating func shorten(to count: Int) {
        series.removeLast(max(0, series.count - count))
        timestamps.removeLast(max(0, timestamps.count - count))
        values.removeLast(max(0, values.count - count))
    }
}
