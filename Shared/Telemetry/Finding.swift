/// Something that an agent saw on its node, strange to its detection or against a rule of the node's own: what, since
/// when, how strange, which series contributed.
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

    public enum Severity: UInt8, Sendable, CaseIterable, Comparable {
        case info = 1, warning, critical

        public static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
        public var name: String {
            switch self {
            case .info: "info"
            case .warning: "warning"
            case .critical: "critical"
            }
        }
    }

    /// The rule of the node's own that opened it.
    public struct Rule: Hashable, Sendable {
        public static let nameBytesMax = 64
        public var name: String
        public var severity: Severity
        /// The one furthest beyond the threshold so far.
        public var value: Double
        public var threshold: Double
        public init(name: String, severity: Severity, value: Double, threshold: Double) {
            self.name = name
            self.severity = severity
            self.value = value
            self.threshold = threshold
        }
    }

    public var id: ID128
    /// `cpu`, `memory`, `disk`, `network`, `streams`, or `metric` for one series judged by itself. Of a rule's
    /// finding, the group of its metrics.
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
    /// nil for what detection found.
    public var rule: Rule?
    /// Of one that a relay hands on; nil: the sender's own.
    public var source: Source?

    /// What detection finds has none of its own and counts as a warning.
    public var severity: Severity { rule?.severity ?? .warning }

    public init(
        id: ID128, group: String, since: Timestamp, until: Timestamp? = nil, score: Double, peakAt: Timestamp,
        anomalousCount: UInt32, contributors: [Contributor] = [], shape: Shape? = nil,
        rule: Rule? = nil, source: Source? = nil
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
        self.rule = rule
        self.source = source
    }
}
