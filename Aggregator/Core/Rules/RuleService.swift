import API
import PromQL
import Rules
import RuntimeSupport
import Store
import Synchronization
import Telemetry

/// Evaluates the rules of every tenant that has any.
final class RuleService: Sendable {
    /// How often it looks for tenants that have got a folder of rules.
    static let scanMilliseconds: Int64 = 2000

    private struct Running {
        let rules: TenantRules
        let thread: WorkerThread
    }
    private enum Command: Sendable { case stop }
    private let root: String
    private let language: ParserOptions
    private let time: any TimeSource
    private let metrics: OwnMetrics
    private let sources: any TenantSources
    private let tenants: @Sendable () -> [TenantID]
    private let report: @Sendable (String) -> Void
    private let running = Mutex<[TenantID: Running]>([:])
    private let commands = BoundedQueue<Command>(itemsMax: 1)

    init(
        root: String, language: ParserOptions, time: any TimeSource, metrics: OwnMetrics,
        sources: any TenantSources, tenants: @escaping @Sendable () -> [TenantID],
        report: @escaping @Sendable (String) -> Void
    ) {
        self.root = root
        self.language = language
        self.time = time
        self.metrics = metrics
        self.sources = sources
        self.tenants = tenants
        self.report = report
    }

    func start() -> WorkerThread { WorkerThread(name: "rules") { [self] in run() } }

    func stop() { _ = commands.push(.stop) }

    /// Reads every tenant's files again, soon.
    func reload() { running.withLock { $0.values.forEach { $0.rules.reload() } } }

    func standing(of tenant: TenantID) -> RuleStanding {
        running.withLock { $0[tenant]?.rules }?.standing ?? RuleStanding()
    }

    private func folder(of tenant: TenantID) -> String { "\(root)/tenants/\(tenant.rawValue)/rules" }

    private func run() {
        repeat {
            for tenant in tenants() where running.withLock({ $0[tenant] == nil }) {
                guard !RuleFolder(path: folder(of: tenant)).files().isEmpty else { continue }
                let rules = TenantRules(
                    tenant: tenant, path: folder(of: tenant), language: language, time: time, metrics: metrics,
                    host: StoredRules(
                        tenant: tenant, sources: sources, language: language, time: time,
                        secondsMax: TenantRules.queryMillisecondsMax / 1000), report: report)
                let thread = WorkerThread(name: "rules of \(tenant)") { rules.run() }
                running.withLock { $0[tenant] = Running(rules: rules, thread: thread) }
            }
        } while commands.pop(max: 1, waitMilliseconds: Self.scanMilliseconds).isEmpty
        let all = running.withLock { running in
            defer { running = [:] }
            return Array(running.values)
        }
        all.forEach { $0.rules.stop() }
        all.forEach { $0.thread.join() }
    }
}

/// Rules read and write as requests do, within the same bounds.
private struct StoredRules: RuleHost {
    let tenant: TenantID
    let sources: any TenantSources
    let language: ParserOptions
    let time: any TimeSource
    let secondsMax: Int64

    var nanoseconds: UInt64 { time.monotonicNanoseconds }

    func query(_ rule: Rule, at time: Timestamp) throws -> QueryResult {
        let clock = self.time
        let limits = try sources.limits(of: tenant)
        let secondsMax = min(secondsMax, Int64(limits.querySeconds))
        let end = clock.monotonicNanoseconds + UInt64(secondsMax) * 1_000_000_000
        var options = QueryOptions(
            parser: language,
            interruption: {
                clock.monotonicNanoseconds < end
                    ? nil : QueryError(.timeout, "the rule's query timed out after \(secondsMax) s")
            })
        options.limits.samplesMax = limits.querySamples
        let engine = QueryEngine(source: try sources.queries(of: tenant), options: options)
        return try engine.instant(rule.expression, text: rule.text, at: time)
    }

    func write(_ samples: [(key: SeriesKey, value: Double)], at time: Timestamp) throws {
        let sink = try sources.sink(of: tenant)
        let limits = sink.limits
        var room = sink.seriesRemaining
        var write = SampleWrite()
        for (key, value) in samples {
            guard limits.allow(key) else {
                throw QueryError(.limit, "a resulting series has too many or too long labels")
            }
            guard let series = sink.series.add(SeriesDescriptor(key: key, type: .unknown), room: &room) else {
                throw QueryError(.limit, "the tenant's limit of series is reached, active-series in limits.conf")
            }
            write.begin(series)
            write.append(time.milliseconds, value)
        }
        try sink.write(write)
    }
}
