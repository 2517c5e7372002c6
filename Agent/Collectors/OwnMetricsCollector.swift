public import RuntimeSupport
import Telemetry

/// The agent's own counters of what was dropped, refused or failed (``OwnMetrics``), as series, so that no loss at a node
/// is seen there only. A counter appears once it has counted something: a healthy agent has no such series. Beside them
/// what detection says of the node.
public struct OwnMetricsCollector: Collector {
    public let name = "losses"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    static let words = ["dropped", "refused", "failures", "incidents"]
    /// Label sets come from constants of the code; this bounds them nevertheless.
    static let seriesMax = 256
    private let metrics: OwnMetrics
    private var handles: [OwnMetrics.Key: SeriesHandle] = [:]

    public init(_ metrics: OwnMetrics) { self.metrics = metrics }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        let told = metrics.readings().filter {
            Self.isJudgement($0.key.name) || $0.value > 0 && Self.tells($0.key.name)
        }
        guard !told.isEmpty else { throw .unavailable("losses") }
        for reading in told {
            guard let handle = handles[reading.key] ?? register(reading, sink) else { continue }
            handles[reading.key] = handle
            sink.append(handle, reading.value)
        }
    }

    /// What detection says of the node: also when it is nothing.
    private static func isJudgement(_ name: String) -> Bool {
        name.hasPrefix("stagebox_anomaly_") || name.hasPrefix("stagebox_detection_")
    }

    private static func tells(_ name: String) -> Bool { words.contains { name.holds($0) } }

    private func register(_ reading: OwnMetrics.Reading, _ sink: ScrapeSink) -> SeriesHandle? {
        guard handles.count < Self.seriesMax else { return nil }
        let texts = reading.key.labels
        let labels = stride(from: 0, to: texts.count - 1, by: 2).map { Label(texts[$0], texts[$0 + 1]) }
        let isCounter = reading.kind == .counter
        return sink.register(
            reading.key.name, labels, isCounter ? .counter : .gauge, isCounter ? .process : .unknown)
    }
}
