public import Telemetry

/// One value that a source hands to the engine.
public struct SourceReading: Sendable, Equatable {
    public var key: SeriesKey
    public var type: MetricType
    public var value: Double
    /// Since when a counter counts, milliseconds since 1970; 0 where unknown or no counter.
    public var startMilliseconds: Int64
    /// The sample's own time, where its producer gave one; nil: the report's.
    public var timestampMilliseconds: Int64?

    public init(
        _ key: SeriesKey, _ type: MetricType, _ value: Double, startMilliseconds: Int64 = 0,
        timestampMilliseconds: Int64? = nil
    ) {
        self.key = key
        self.type = type
        self.value = value
        self.startMilliseconds = startMilliseconds
        self.timestampMilliseconds = timestampMilliseconds
    }
}

/// Prometheus' marker for a series that has ended: a NaN of its own.
public enum Staleness {
    public static let marker = Double(bitPattern: 0x7ff0_0000_0000_0002)
    public static func isMarker(_ value: Double) -> Bool { value.bitPattern == marker.bitPattern }
}

/// What sources drop, by reason: label values of `stagebox_agent_source_dropped_total`.
public enum DropReason: String, Sendable, CaseIterable {
    /// Not what the format says.
    case malformed
    /// The format has it, we do not take it.
    case unsupported
    /// Longer than a packet, line or body may be.
    case tooLong = "too_long"
    /// More series than the source may have.
    case seriesLimit = "series_limit"
    /// More labels, or a longer label, than a series may have.
    case labelLimit = "label_limit"
    /// More members than a set may have.
    case setMembers = "set_members"
    /// A name that the agent's own series bear.
    case reservedName = "reserved_name"
    /// A second sample of a series in one report, or one of another source's series.
    case duplicate
    /// A time of its own too far from now.
    case outOfTime = "out_of_time"
    /// The engine's queue was full.
    case queueFull = "queue_full"
    /// A log file vanished with lines that were not read.
    case rotatedAway = "rotated_away"
}

/// Counts by ``DropReason``, handed over and reset once per report.
public struct DropCounts: Sendable, Equatable {
    public private(set) var counts: [DropReason: Int] = [:]
    public init() {}
    public mutating func add(_ reason: DropReason, _ count: Int = 1) {
        if count > 0 { counts[reason, default: 0] += count }
    }
    public mutating func merge(_ other: DropCounts) { for (reason, count) in other.counts { add(reason, count) } }
    public mutating func take() -> DropCounts {
        defer { counts = [:] }
        return self
    }
    public subscript(reason: DropReason) -> Int { counts[reason] ?? 0 }
    public var isEmpty: Bool { counts.isEmpty }
}
