public import Telemetry

/// The type of a metric family, spelt as in a TYPE line.
public enum FamilyType: String, Sendable, CaseIterable {
    case unknown, gauge, counter, stateset, info, histogram, gaugehistogram, summary

    public init(_ type: MetricType) {
        switch type {
        case .unknown: self = .unknown
        case .counter: self = .counter
        case .gauge: self = .gauge
        case .histogram: self = .histogram
        case .summary: self = .summary
        case .info: self = .info
        case .stateset: self = .stateset
        }
    }

    /// A gauge histogram's series are gauges.
    public var metricType: MetricType {
        switch self {
        case .unknown: .unknown
        case .gauge, .gaugehistogram: .gauge
        case .counter: .counter
        case .stateset: .stateset
        case .info: .info
        case .histogram: .histogram
        case .summary: .summary
        }
    }
}

extension MetricFamily {
    /// What is kept of it; nil for a name that none can have.
    public var kept: MetricMetadata? {
        MetricMetadata(name: name, type: type.metricType, unit: unit, help: help)
    }
}

/// Metadata shared by the series of one family. Empty texts mean that nothing was said.
public struct MetricFamily: Hashable, Sendable {
    public var name: String
    public var type: FamilyType
    public var unit: String
    public var help: String

    public init(name: String, type: FamilyType = .unknown, unit: String = "", help: String = "") {
        self.name = name
        self.type = type
        self.unit = unit
        self.help = help
    }
}

/// A reference from one sample to data elsewhere, such as a trace.
public struct Exemplar: Hashable, Sendable {
    public var labels: [Label]
    public var value: Double
    public var timestampMilliseconds: Int64?

    public init(labels: [Label], value: Double, timestampMilliseconds: Int64? = nil) {
        self.labels = labels
        self.value = value
        self.timestampMilliseconds = timestampMilliseconds
    }
}

public struct ExpositionSample: Hashable, Sendable {
    /// Index into ``Exposition/families``.
    public var family: Int
    public var key: SeriesKey
    public var value: Double
    /// Nil: the time of the scrape.
    public var timestampMilliseconds: Int64?
    /// When the counter, histogram or summary started, from its `_created` sample (which is also kept as a sample).
    public var createdMilliseconds: Int64?
    public var exemplar: Exemplar?

    public init(
        family: Int, key: SeriesKey, value: Double, timestampMilliseconds: Int64? = nil,
        createdMilliseconds: Int64? = nil, exemplar: Exemplar? = nil
    ) {
        self.family = family
        self.key = key
        self.value = value
        self.timestampMilliseconds = timestampMilliseconds
        self.createdMilliseconds = createdMilliseconds
        self.exemplar = exemplar
    }
}

/// What a text exposition holds, in its order.
public struct Exposition: Equatable, Sendable {
    public var families: [MetricFamily] = []
    public var samples: [ExpositionSample] = []
    public init() {}
}

/// Bounds on one exposition; beyond them it is refused as a whole.
public struct ExpositionLimits: Sendable {
    /// Of the uncompressed text.
    public var bytesMax: Int
    public var samplesMax: Int
    /// Labels of one sample.
    public static let labelsMax = 1024

    public init(bytesMax: Int = 256 << 20, samplesMax: Int = 4_000_000) {
        self.bytesMax = bytesMax
        self.samplesMax = samplesMax
    }
}
