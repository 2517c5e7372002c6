/// A label: UTF-8 name and value. The metric's name is the label `__name__`.
public struct Label: Hashable, Comparable, Sendable {
    public var name: String
    public var value: String
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
    public static func < (left: Label, right: Label) -> Bool {
        left.name == right.name ? left.value < right.value : left.name < right.name
    }
}

/// How a metric's values are to be read, as in OpenMetrics.
public enum MetricType: UInt8, Sendable, CaseIterable {
    case unknown = 0, counter = 1, gauge = 2, histogram = 3, summary = 4, info = 5, stateset = 6
}

/// The identity of a series: its labels, sorted by name, each name once, `__name__` among them.
public struct SeriesKey: Hashable, Sendable {
    public static let nameLabel = "__name__"
    public let labels: [Label]

    /// Sorts the labels. Labels with an empty value are left out, as in Prometheus's data model.
    /// If a name repeats, the first one given stays.
    public init(name: String, labels: [Label] = []) {
        self.init(labels: [Label(Self.nameLabel, name)] + labels)
    }

    public init(labels: [Label]) {
        guard !Self.isCanonical(labels) else {
            self.labels = labels
            return
        }
        var seen = Set<String>()
        self.labels = labels.filter { !$0.value.isEmpty && seen.insert($0.name).inserted }.sorted { $0.name < $1.name }
    }

    /// - Parameter labels: as a key has them: ascending by name, each name once, no empty values. Not checked.
    public init(canonical labels: [Label]) { self.labels = labels }

    private static func isCanonical(_ labels: [Label]) -> Bool {
        for (index, label) in labels.enumerated() {
            guard !label.value.isEmpty, index == 0 || labels[index - 1].name < label.name else { return false }
        }
        return true
    }

    public var name: String { self[Self.nameLabel] ?? "" }
    public subscript(label: String) -> String? { labels.first { $0.name == label }?.value }
}

/// A series as a series table lists it.
public struct SeriesDescriptor: Hashable, Sendable {
    public var key: SeriesKey
    public var type: MetricType
    public init(key: SeriesKey, type: MetricType) {
        self.key = key
        self.type = type
    }
}

/// One value at one time.
public struct Sample: Hashable, Sendable {
    public var timestamp: Timestamp
    public var value: Double
    @inlinable public init(timestamp: Timestamp, value: Double) {
        self.timestamp = timestamp
        self.value = value
    }
}

/// Prometheus's limits on one series, enforced where series enter: at the intake, at ingest.
public enum SeriesLimits {
    public static let labelCountMax = 64
    public static let labelNameBytesMax = 256
    public static let labelValueBytesMax = 2048
}
