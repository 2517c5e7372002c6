public import Telemetry

/// What a body of line protocol holds, as series: `measurement_field{tags}`.
public struct InfluxBatch: Sendable, Equatable {
    public struct Sample: Sendable, Equatable {
        public var key: SeriesKey
        public var value: Double
        /// Nil: the time of arrival.
        public var timestampMilliseconds: Int64?
    }

    public var samples: [Sample] = []
    /// Points (lines) that were read.
    public var pointCount = 0
    /// String fields of good points; they have no place in a series.
    public var skippedStringCount = 0
    /// Lines that were refused; the others stand.
    public var errorCount = 0
    /// The first ``errorsMax`` of them.
    public var errors: [InterchangeError] = []

    public static let errorsMax = 32

    public init() {}
}
