import Access
import HTTPTypes
import Hummingbird
import Logging
import PromQL
import RuntimeSupport
import Telemetry

/// Queries by GET with a token that was found good lately: evaluated on the blocking pool as all are, and answered from
/// there straight into the socket. What differs in anything, errors before evaluation included, takes the usual way.
struct DirectQueries: Sendable {
    /// Of the paths below.
    static let prefix: StaticString = "/api/v1/query"

    private let runner: QueryRunner
    private let bounds: QueryBounds
    private let access: AccessStore
    private let metrics: OwnMetrics
    private let time: any TimeSource
    private let logger: Logger

    init(
        _ dependencies: APIDependencies, _ bounds: QueryBounds, language: ParserOptions, metrics: OwnMetrics,
        time: any TimeSource, logger: Logger
    ) {
        runner = QueryRunner(dependencies, bounds, language: language)
        self.bounds = bounds
        access = dependencies.access
        self.metrics = metrics
        self.time = time
        self.logger = logger
    }

    @Sendable func route(_ request: PlainRequest, _ done: @escaping @Sendable (DirectAnswer) -> Void) -> DirectTask? {
        guard let (tenant, job) = job(request) else { return nil }
        let (bounds, logger, sources) = (bounds, logger, bounds.sources)
        let interruption = bounds.start(tenant, timeout: job.timeout) { limits, interruption in
            let result = Result { try job.evaluate(try sources.queries(of: tenant), limits, interruption) }
            return {
                switch result {
                case .success(let text): done(text.direct { bounds.start(tenant, $0) })
                case .failure(let error): done(Self.answer(to: error, request, logger))
                }
            }
        }
        guard let interruption else { return nil }
        metrics.add("stagebox_http_requests_total")
        return DirectTask { interruption.cancel() }
    }

    /// - Returns: nil when the request is none of those that are answered here.
    private func job(_ request: PlainRequest) -> (TenantID, QueryJob)? {
        guard ["/api/v1/query", "/api/v1/query_range"].contains(request.path),
            !AcceptEncoding.prefersGzip(request.acceptEncoding),
            let parts = request.authorization?.split(separator: " ", maxSplits: 1), parts.count == 2,
            parts[0].lowercased() == "bearer"
        else { return nil }
        let now = time.now
        guard let principal = access.admitted(String(parts[1]), now: now), let tenant = principal.tenant,
            case .roles(let roles) = Route.Audience.metrics, roles.contains(principal.role)
        else { return nil }
        do {
            let query = try Query(request.query)
            guard try query.name(TenantID.self, "tenant") ?? tenant == tenant else { return nil }
            let job = try request.path == "/api/v1/query" ? runner.instant(query, now: now) : runner.range(query)
            return (tenant, job)
        } catch {
            return nil
        }
    }

    /// What a failed evaluation is answered with, as ``PrometheusError`` and ``ProblemMiddleware`` do it.
    private static func answer(to error: any Error, _ request: PlainRequest, _ logger: Logger) -> DirectAnswer {
        if let error = PrometheusError(error) {
            return DirectAnswer(
                status: HTTPResponse.Status(code: error.kind.status), type: "application/json",
                retryAfterSeconds: error.kind == .unavailable ? 1 : nil,
                body: ResultEncoder.error(error.kind.name, error.message))
        }
        let known = Problem(error)
        if known == nil {
            logger.error("a request failed", metadata: ["http.path": "\(request.path)", "error": "\(error)"])
        }
        let problem = known ?? .failed
        return DirectAnswer(
            status: problem.kind.status, type: "application/problem+json",
            retryAfterSeconds: problem.retryAfterSeconds, body: problem.encoded)
    }
}
