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
    /// What the buffer keeps under a key.
    var kept: (String) -> [UInt8]? = { _ in nil }
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
        guard let runner = SourceRunner(time: time, drivers: drivers(settings, context)) else {
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

    private func drivers(_ settings: SourceSettings, _ context: SourceContext) -> [any SourceDriver] {
        var drivers: [any SourceDriver] = []
        if settings.isStatsDOn {
            drivers.append(
                StatsDDriver(
                    StatsDDriver.Settings(
                        listen: settings.statsdListen, socketPath: settings.statsdSocketPath,
                        seriesMax: settings.statsdSeriesMax, intervalMilliseconds: settings.intervalMilliseconds),
                    context))
        }
        if !settings.scrapeFiles.isEmpty {
            drivers.append(
                ScrapeDriver(
                    ScrapeDriver.Settings(
                        files: settings.scrapeFiles, intervalMilliseconds: settings.scrapeIntervalMilliseconds,
                        timeoutMilliseconds: settings.scrapeTimeoutMilliseconds, job: settings.scrapeJob,
                        honorsLabels: settings.scrapeHonorsLabels,
                        limits: ScrapeReader.Limits(
                            bodyBytesMax: settings.scrapeBodyBytesMax, samplesMax: settings.scrapeSamplesMax),
                        targetRules: settings.targetRules.sorted { $0.key < $1.key }.map(\.value),
                        sampleRules: settings.sampleRules.sorted { $0.key < $1.key }.map(\.value)), context))
        }
        if !settings.accessLogs.isEmpty {
            let logs = settings.accessLogs.sorted { $0.key < $1.key }.map { name, log in
                let key = AccessLogDriver.key(of: name)
                return AccessLogDriver.Settings(
                    name: name, format: log.format, path: log.path,
                    kept: (ledger.checkpoint(key) ?? kept(key)).flatMap { LogPosition(encoded: $0) })
            }
            drivers.append(
                AccessLogDriver(logs, intervalMilliseconds: settings.intervalMilliseconds, context))
        }
        if !settings.icecastServers.isEmpty {
            let servers = settings.icecastServers.sorted { $0.key < $1.key }.map {
                (name: $0.key, address: $0.value, document: IcecastStatus(name: $0.key))
            }
            drivers.append(PollDriver(servers, intervalMilliseconds: settings.intervalMilliseconds, context))
        }
        if !settings.playlists.isEmpty {
            let playlists = settings.playlists.sorted { $0.key < $1.key }.map {
                (name: $0.key, address: $0.value, document: PlaylistFreshness(name: $0.key))
            }
            drivers.append(PollDriver(playlists, intervalMilliseconds: settings.intervalMilliseconds, context))
        }
        return drivers
    }
}
