import Control
import RuntimeSupport
import Sources
import Telemetry

/// Runs the sources that the settings ask for; without any there is no thread.
///
/// Used by the engine's thread only.
final class SourceControl {
    private let time: any TimeSource
    private let metrics: OwnMetrics
    private let report: @Sendable (AgentReport) -> Void
    private let deliver: @Sendable (SourceDelivery) -> Bool
    private let ledger = SourceLedger()
    private var running: (settings: SourceSettings, runner: SourceRunner)?

    init(
        time: any TimeSource, metrics: OwnMetrics, report: @escaping @Sendable (AgentReport) -> Void,
        deliver: @escaping @Sendable (SourceDelivery) -> Bool
    ) {
        self.time = time
        self.metrics = metrics
        self.report = report
        self.deliver = deliver
    }

    /// Starts, stops or starts again what changed; totals of StatsD and logs then begin anew.
    func apply(_ settings: SourceSettings) {
        guard running?.settings != settings else { return }
        _ = stop()
        guard settings.isAnyOn else { return }
        let context = SourceContext(time: time, metrics: metrics, ledger: ledger, report: report, deliver: deliver)
        guard let runner = SourceRunner(time: time, drivers: Self.drivers(settings, context)) else {
            return report(.source("all", "no file descriptors are left; reload the settings to try again"))
        }
        runner.start()
        running = (settings, runner)
    }

    /// Waits for the last reports.
    /// - Returns: whether anything ran.
    func stop() -> Bool {
        guard let running else { return false }
        running.runner.stop()
        self.running = nil
        return true
    }

    private static func drivers(_ settings: SourceSettings, _ context: SourceContext) -> [any SourceDriver] {
        var drivers: [any SourceDriver] = []
        if !settings.statsdListen.isEmpty || !settings.statsdSocketPath.isEmpty {
            drivers.append(
                StatsDDriver(
                    StatsDDriver.Settings(
                        listen: settings.statsdListen, socketPath: settings.statsdSocketPath,
                        seriesMax: settings.statsdSeriesMax, intervalMilliseconds: settings.intervalMilliseconds),
                    context))
        }
        return drivers
    }
}
