public import Telemetry

/// The metadata of remote write 1.0 speaks of families, samples have series: which family a series is of, and which
/// type its family gives it.
public struct MetricTypes: Sendable {
    private var types: [String: FamilyType] = [:]

    /// Of several families with one name the last counts.
    public init(_ families: [MetricFamily]) {
        for family in families { types[family.name] = family.type }
    }

    /// Suffixes that the series of a family have beside its name.
    private static func suffixes(of type: FamilyType) -> [String] {
        switch type {
        case .histogram: ["_bucket", "_sum", "_count", "_created"]
        case .gaugehistogram: ["_bucket", "_gsum", "_gcount"]
        case .summary: ["_sum", "_count", "_created"]
        case .counter: ["_total", "_created"]
        case .info: ["_info"]
        default: []
        }
    }

    /// The type of a metric by its name: what a family of that very name says, or one whose type goes with the suffix.
    public func type(of name: String) -> MetricType {
        if let type = types[name] { return type.metricType }
        guard let underscore = name.lastIndex(of: "_"), let type = types[String(name[..<underscore])],
            Self.suffixes(of: type).contains(String(name[underscore...]))
        else { return .unknown }
        return type.metricType
    }

    /// The family that tells of a metric, as Prometheus names families: histograms and summaries without the suffixes
    /// of their series, all others as they are. Help and unit are not known.
    /// - Returns: nil for a metric of unknown type.
    public static func family(of name: String, _ type: MetricType) -> MetricFamily? {
        guard type != .unknown else { return nil }
        let kind = FamilyType(type)
        guard kind == .histogram || kind == .summary, let underscore = name.lastIndex(of: "_"),
            suffixes(of: kind).contains(String(name[underscore...]))
        else { return MetricFamily(name: name, type: kind) }
        return MetricFamily(name: String(name[..<underscore]), type: kind)
    }
}
