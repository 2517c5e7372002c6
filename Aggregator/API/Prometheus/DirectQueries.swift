import Logging
import PlainHTTP
import PromQL
import RuntimeSupport
import Synchronization
import Telemetry

/// Queries by GET: evaluated on the blocking pool as all are, and answered from there straight into the socket. What
/// differs in anything, malformed parameters included, takes the usual way.
struct DirectQueries: Sendable {
    /// Of the requests below.
    static let prefix: StaticString = "GET /api/v1/query"

    private let runner: QueryRunner
    private let bounds: QueryBounds
    private let admission: DirectAdmission
    private let metrics: OwnMetrics
    private let time: any TimeSource
    private let logger: Logger

    init(
        _ dependencies: APIDependencies, _ bounds: QueryBounds, language: ParserOptions, metrics: OwnMetrics,
        time: any TimeSource, logger: Logger
    ) {
        runner = QueryRunner(dependencies, bounds, language: language)
        self.bounds = bounds
        admission = DirectAdmission(dependencies)
        self.metrics = metrics
        self.time = time
        self.logger = logger
    }

    func route(_ request: PlainRequest) -> DirectWork? {
        guard !request.isPost, ["/api/v1/query", "/api/v1/query_range"].contains(request.path),
            !AcceptEncoding.prefersGzip(request.acceptEncoding), let token = admission.token(request)
        else { return nil }
        let now = time.now
        do {
            let query = try Query(request.query)
            guard query["tenant"] == nil else { return nil }
            let job = try request.path == "/api/v1/query" ? runner.instant(query, now: now) : runner.range(query)
            return DirectWork(begin: { _, done in
                let running = Running()
                let isAccepted = admission.tenant(token, .metrics, now: now) { tenant in
                    start(job, tenant, request, running, done)
                }
                guard isAccepted else { return nil }
                metrics.add("stagebox_http_requests_total")
                return DirectTask { running.cancel() }
            })
        } catch {
            return nil
        }
    }

    private func start(
        _ job: QueryJob, _ tenant: Result<TenantID, any Error>, _ request: PlainRequest, _ running: Running,
        _ done: @escaping @Sendable (DirectAnswer) -> Void
    ) {
        let (bounds, logger) = (bounds, logger)
        do {
            let tenant = try tenant.get()
            let interruption = try bounds.start(tenant, timeout: job.timeout) { limits, interruption in
                let result = Result {
                    try job.evaluate(try bounds.sources.queries(of: tenant), limits, interruption)
                }
                return {
                    switch result {
                    case .success(let text): done(text.direct { bounds.start(tenant, $0) })
                    case .failure(let error): done(.to(error, request, logger))
                    }
                }
            }
            running.set(interruption)
        } catch {
            done(.to(error, request, logger))
        }
    }

    /// What ends a query early, once it has begun.
    private final class Running: Sendable {
        private let state = Mutex<(interruption: QueryInterruption?, isCanceled: Bool)>((nil, false))

        func set(_ interruption: QueryInterruption) {
            let isCanceled = state.withLock { state in
                state.interruption = interruption
                return state.isCanceled
            }
            if isCanceled { interruption.cancel() }
        }
        func cancel() {
            let interruption = state.withLock { state in
                state.isCanceled = true
                return state.interruption
            }
            interruption?.cancel()
        }
    }
}
