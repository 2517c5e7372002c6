/// Samples as columns: what collectors produce between two flushes and what a metric block holds.
///
/// A group is a set of series sampled at the same instants. Series are numbers into the
/// concatenation of the series tables that the block names. One series may stand in several
/// groups of a batch, as long as its timestamps increase strictly from group to group.
public struct MetricBatch: Sendable, Equatable {
    public struct Group: Sendable, Equatable {
        /// Milliseconds, strictly increasing.
        public var timestamps: [Int64]
        /// Series numbers, strictly increasing.
        public var series: [UInt32]
        /// Series-major: the value of series `s` at instant `t` is `values[s * timestamps.count + t]`.
        public var values: [Double]
        /// When each series' counter started, milliseconds, 0 where unknown; empty if none is known.
        public var startTimestamps: [Int64]
        /// One bit per value in the order of `values`, least significant first; empty if none is anomalous.
        public var anomalies: [UInt64]

        public init(
            timestamps: [Int64], series: [UInt32], values: [Double], startTimestamps: [Int64] = [],
            anomalies: [UInt64] = []
        ) {
            self.timestamps = timestamps
            self.series = series
            self.values = values
            self.startTimestamps = startTimestamps
            self.anomalies = anomalies
        }
        public var sampleCount: Int { values.count }
    }
    public var groups: [Group]
    public init(groups: [Group] = []) { self.groups = groups }
    public var sampleCount: Int { groups.reduce(0) { $0 + $1.sampleCount } }
}
