import Glibc
import RuntimeSupport
import Sources
import Telemetry

/// The I/O around one pure source. All calls come from the source thread; none may block.
protocol SourceDriver: AnyObject {
    /// What to wait for; asked before each wait.
    var interests: [pollfd] { get }
    /// Monotonic milliseconds when ``advance()`` is due.
    var nextDeadlineMilliseconds: Int64 { get }
    /// A descriptor of ``interests`` is ready, or broken.
    func ready(_ descriptor: Int32)
    /// Does what is due.
    func advance()
    /// A last report; then everything is closed.
    func finish()
}

/// What drivers are given.
final class SourceContext {
    let time: any TimeSource
    let metrics: OwnMetrics
    let report: (AgentReport) -> Void
    private let ledger: SourceLedger
    private let deliver: (SourceDelivery) -> Bool

    init(
        time: any TimeSource, metrics: OwnMetrics, ledger: SourceLedger, report: @escaping (AgentReport) -> Void,
        deliver: @escaping (SourceDelivery) -> Bool
    ) {
        self.time = time
        self.metrics = metrics
        self.ledger = ledger
        self.report = report
        self.deliver = deliver
    }

    var monotonicMilliseconds: Int64 { Int64(time.monotonicNanoseconds / 1_000_000) }

    /// - Parameters:
    ///   - source: for the agent's own metrics.
    ///   - unit: whose series these are.
    ///   - families: what is news of their metrics.
    /// - Returns: whether the engine took them.
    @discardableResult
    func hand(
        _ source: String, unit: String, _ readings: [SourceReading], at timestamp: Timestamp,
        checkpoint: SourceCheckpoint? = nil, families: [MetricMetadata] = []
    ) -> Bool {
        let drops = ledger.report(unit, readings, at: timestamp, checkpoint: checkpoint) { delivery in
            var delivery = delivery
            delivery.families = families
            return deliver(delivery)
        }
        count(source, drops)
        let dropped = drops.counts.values.reduce(0, +)
        metrics.add("stagebox_agent_source_samples_total", Double(max(0, readings.count - dropped)), "source", source)
        metrics.set("stagebox_agent_source_series", Double(ledger.seriesCount))
        return drops[.queueFull] == 0
    }

    func count(_ source: String, _ drops: DropCounts) {
        for (reason, count) in drops.counts {
            metrics.add(
                "stagebox_agent_source_dropped_total", Double(count), "source", source, "reason", reason.rawValue)
        }
    }
}
