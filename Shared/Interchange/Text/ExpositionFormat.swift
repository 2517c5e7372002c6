/// The text formats of expositions, and how HTTP headers choose between them.
public enum ExpositionFormat: Sendable, CaseIterable {
    case openMetrics
    case prometheusText

    public var contentType: String {
        switch self {
        case .openMetrics: OpenMetricsParser.contentType
        case .prometheusText: PrometheusTextParser.contentType
        }
    }

    /// What a scraper that prefers the stricter format sends as `Accept`.
    public static let acceptHeader =
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

    /// The format of a body by its `Content-Type`.
    ///
    /// No header at all, and `text/plain` of any version, mean the Prometheus format, as Prometheus' fallback does.
    /// - Returns: nil for other media types, and for OpenMetrics versions other than 0.0.1 and 1.0.0.
    public init?(contentType: String?) {
        guard let contentType, !contentType.isEmpty else {
            self = .prometheusText
            return
        }
        let media = MediaRange(contentType[...])
        switch media.name {
        case "application/openmetrics-text":
            guard ["", "0.0.1", "1.0.0"].contains(media.version) else { return nil }
            self = .openMetrics
        case "text/plain": self = .prometheusText
        default: return nil
        }
    }

    /// The format to answer with for an `Accept` header: the acceptable one with the highest weight, the Prometheus
    /// format where both weigh the same or nothing was said.
    /// - Parameter prefersText: the Prometheus format wherever it is acceptable at all.
    public static func negotiated(accept: String?, prefersText: Bool = false) -> ExpositionFormat {
        var weights: (openMetrics: Double, text: Double) = (0, 0)
        for part in (accept ?? "").split(separator: ",").prefix(acceptRangesMax) {
            let media = MediaRange(part)
            switch media.name {
            case "application/openmetrics-text" where ["", "0.0.1", "1.0.0"].contains(media.version):
                weights.openMetrics = max(weights.openMetrics, media.weight)
            case "text/plain", "text/*", "*/*": weights.text = max(weights.text, media.weight)
            default: break
            }
        }
        if prefersText, weights.text > 0 { return .prometheusText }
        return weights.openMetrics > weights.text ? .openMetrics : .prometheusText
    }

    /// Further ranges of an `Accept` header are not read.
    public static let acceptRangesMax = 32

    public func parse(
        _ bytes: [UInt8], limits: ExpositionLimits = ExpositionLimits()
    ) throws(InterchangeError) -> Exposition {
        switch self {
        case .openMetrics: try OpenMetricsParser.parse(bytes, limits: limits)
        case .prometheusText: try PrometheusTextParser.parse(bytes, limits: limits)
        }
    }

    /// For bodies that come again and again.
    public func parse(
        _ bytes: UnsafeRawBufferPointer, limits: ExpositionLimits = ExpositionLimits(), cache: inout SeriesTextCache
    ) throws(InterchangeError) -> Exposition {
        switch self {
        case .openMetrics: try OpenMetricsParser.parse(bytes, limits: limits, cache: &cache)
        case .prometheusText: try PrometheusTextParser.parse(bytes, limits: limits, cache: &cache)
        }
    }
}

/// `type/subtype; version=…; q=…` of RFC 9110, section 12.5.1; other parameters are passed over.
private struct MediaRange {
    var name: String
    var version = ""
    var weight = 1.0

    init(_ text: Substring) {
        let parts = text.split(separator: ";", omittingEmptySubsequences: false).map(Self.trimmed)
        name = (parts.first ?? "").lowercased()
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1).map { Self.trimmed($0) }
            guard pair.count == 2 else { continue }
            switch pair[0].lowercased() {
            case "version": version = String(pair[1].filter { $0 != "\"" })
            case "q": weight = Double(pair[1]).map { min(max($0, 0), 1) } ?? 0
            default: break
            }
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
