public import CoreMetrics

/// A swift-metrics backend that records into the node's Stagebox agent.
///
///     import Metrics
///     import StageboxClient
///
///     MetricsSystem.bootstrap(StageboxMetrics())
///     Counter(label: "http_requests", dimensions: [("route", "/play")]).increment()
///
/// Names become Prometheus's: `http.requests` is written `http_requests_total`. A counter is one series, a gauge or
/// meter one, a recorder that aggregates three (`_count`, `_sum`, and `_max` since the last reading), a timer the same
/// in seconds (`_seconds_count` …). They are read every 10 s, and sent as ``StageboxClient`` says.
public final class StageboxMetrics: MetricsFactory, Sendable {
    public let client: StageboxClient

    public init(_ client: StageboxClient = StageboxClient()) { self.client = client }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        client.core.metrics.cell(.counter, label, dimensions)
    }
    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        client.core.metrics.cell(.counter, label, dimensions)
    }
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        client.core.metrics.cell(.gauge, label, dimensions)
    }
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        client.core.metrics.cell(aggregate ? .distribution : .gauge, label, dimensions)
    }
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        client.core.metrics.cell(.timer, label, dimensions)
    }

    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    private func remove(_ handler: AnyObject) {
        if let cell = handler as? MetricCell { client.core.metrics.remove(cell) }
    }
}
