/// The two message types of Prometheus remote write.
public enum RemoteWriteVersion: Sendable, CaseIterable {
    /// `prometheus.WriteRequest` of remote write 1.0.
    case one
    /// `io.prometheus.write.v2.Request` of remote write 2.0.
    case two

    public var contentType: String {
        switch self {
        case .one: "application/x-protobuf;proto=prometheus.WriteRequest"
        case .two: "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        }
    }

    /// The message type by `Content-Type`; without a `proto` parameter it is 1.0's.
    /// - Returns: nil for anything else, to be answered with 415.
    public init?(contentType: String?) {
        let parts = (contentType ?? "application/x-protobuf").split(separator: ";").map { part in
            part.filter { $0 != " " && $0 != "\t" && $0 != "\"" }
        }
        guard parts.first?.lowercased() == "application/x-protobuf" else { return nil }
        for part in parts.dropFirst() where part.lowercased().hasPrefix("proto=") {
            switch part.dropFirst("proto=".count) {
            case "prometheus.WriteRequest": break
            case "io.prometheus.write.v2.Request":
                self = .two
                return
            default: return nil
            }
        }
        self = .one
    }
}

/// What became of one body of remote write.
///
/// A receiver of either version answers 400 when ``refusedSamples`` is not 0 (the rest may be written), 204
/// otherwise, and for 2.0 says ``samples`` in `X-Prometheus-Remote-Write-Samples-Written`; histograms and exemplars
/// are 0 there, since neither is kept.
public struct RemoteWriteSummary: Sendable, Equatable {
    /// Appended to the columns.
    public var samples = 0
    /// Series with at least one sample, good or not.
    public var series = 0
    /// Samples of series whose labels break the specification's rules.
    public var refusedSamples = 0
    /// Samples of series for which the caller gave no number.
    public var unplacedSamples = 0
    /// Native histograms, which are not supported.
    public var histograms = 0
    public var exemplars = 0
    /// The first broken rule.
    public var problem: String?
    /// Of at most ``metadataMax`` families.
    public var metadata: [MetricFamily] = []

    public static let metadataMax = 65_536

    public init() {}
}
