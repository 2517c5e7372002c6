public import RuntimeSupport
import Telemetry

/// The program's own counters and gauges (``OwnMetrics``) as series, so that an agent's inside is seen centrally.
public struct OwnMetricsCollector: Collector {
    public let name = "internal"
    public let defaultIntervalMilliseconds: Int64 = 10_000
    private let metrics: OwnMetrics
    private var handles: [OwnMetrics.Key: SeriesHandle] = [:]

    public init(_ metrics: OwnMetrics) { self.metrics = metrics }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        for reading in metrics.readings() {
            let handle = handles[reading.key] ?? register(reading, sink)
            handles[reading.key] = handle
            sink.append(handle, reading.value)
        }
    }

    private func register(_ reading: OwnMetrics.Reading, _ sink: ScrapeSink) -> SeriesHandle {
        let texts = reading.key.labels
        let labels = stride(from: 0, to: texts.count - 1, by: 2).map { Label(texts[$0], texts[$0 + 1]) }
        let isCounter = reading.kind == .counter
        return sink.register(
            reading.key.name, labels, isCounter ? .counter : .gauge, isCounter ? .process : .unknown)
    }
}
