/// Something strange that an agent's detection saw on its node: what, since when, how strange, which series contributed.
///
/// Reported when it opens and again when it closes, both times under one ``id``; the later report replaces the earlier.
public struct Finding: Hashable, Sendable {
    public static let contributorsMax = 8
    public static let groupBytesMax = 64
    public static let shapeValuesMax = 240

    /// A series' part in it.
    public struct Contributor: Hashable, Sendable {
        public var key: SeriesKey
        /// Of the whole, 0…1; those of one finding add up to at most 1.
        public var share: Double
        public init(key: SeriesKey, share: Double) {
            self.key = key
            self.share = share
        }
    }

    /// What the series that contributed most looked like around the start.
    public struct Shape: Hashable, Sendable {
        public var start: Timestamp
        public var stepMilliseconds: Int64
        /// NaN where there was no sample.
        public var values: [Float]
        public init(start: Timestamp, stepMilliseconds: Int64, values: [Float]) {
            self.start = start
            self.stepMilliseconds = stepMilliseconds
            self.values = values
        }
    }

    public var id: ID128
    /// `cpu`, `memory`, `disk`, `network`, `streams`, or `metric` for one series judged by itself.
    public var group: String
    public var since: Timestamp
    /// nil while it is open.
    public var until: Timestamp?
    /// The highest so far, 0…1.
    public var score: Double
    public var peakAt: Timestamp
    /// Samples (rows, of a group) judged anomalous so far.
    public var anomalousCount: UInt32
    /// The largest share first.
    public var contributors: [Contributor]
    public var shape: Shape?

    public init(
        id: ID128, group: String, since: Timestamp, until: Timestamp? = nil, score: Double, peakAt: Timestamp,
        anomalousCount: UInt32, contributors: [Contributor] = [], shape: Shape? = nil
    ) {
        self.id = id
        self.group = group
        self.since = since
        self.until = until
        self.score = score
        self.peakAt = peakAt
        self.anomalousCount = anomalousCount
        self.contributors = contributors
        self.shape = shape
    }
}
