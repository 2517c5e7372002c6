import Access
import HTTPTypes
import Hummingbird
import PromQL
import Store
import Telemetry

/// `query` and `query_range` as Prometheus answers them.
func queryRoutes(_ dependencies: APIDependencies, _ bounds: QueryBounds, language: ParserOptions) -> [Route] {
    let runner = QueryRunner(dependencies, bounds, language: language)
    return [HTTPRequest.Method.get, .post].flatMap { method in
        [
            Route(
                method, "/api/v1/query", .metrics,
                "PromQL at one time; query, time, timeout, limit, stats, max_source_resolution"
            ) { request in
                try await PrometheusError.answering { try await runner.instant(request) }
            },
            Route(
                method, "/api/v1/query_range", .metrics,
                "PromQL over time; query, start, end, step, timeout, limit, stats, max_source_resolution"
            ) { request in
                try await PrometheusError.answering { try await runner.range(request) }
            },
            Route(method, "/api/v1/format_query", .metrics, "an expression in its usual form; query") { request in
                try await PrometheusError.answering {
                    let pretty = Printer.pretty(try Parser.parse(try await runner.text(request), options: language))
                    return .json(.object([("status", .string("success")), ("data", .string(pretty))]))
                }
            },
            Route(method, "/api/v1/parse_query", .metrics, "an expression's syntax tree; query") { request in
                try await PrometheusError.answering {
                    let tree = SyntaxTreeEncoder.bytes(
                        try Parser.parse(try await runner.text(request), options: language))
                    return .prometheus(Array("{\"status\":\"success\",\"data\":".utf8) + tree + Array("}".utf8))
                }
            },
        ]
    }
}

/// Runs queries on the blocking pool, within bounds.
struct QueryRunner: Sendable {
    private let sources: any TenantSources
    private let access: AccessStore
    private let pool: BlockingPool
    private let bounds: QueryBounds
    private let language: ParserOptions

    init(_ dependencies: APIDependencies, _ bounds: QueryBounds, language: ParserOptions) {
        self.language = language
        self.bounds = bounds
        sources = dependencies.sources
        access = dependencies.access
        pool = dependencies.queryPool
    }

    /// The expression of a request that reads no data.
    func text(_ request: APIRequest) async throws -> String {
        _ = try await request.tenant(access, pool)
        return try await request.form().required("query")
    }

    func instant(_ request: APIRequest) async throws -> Response {
        let tenant = try await request.tenant(access, pool)
        return try await run(tenant, instant(try await request.form(), now: request.now))
    }

    func range(_ request: APIRequest) async throws -> Response {
        let tenant = try await request.tenant(access, pool)
        return try await run(tenant, range(try await request.form()))
    }

    func instant(_ parameters: Query, now: Timestamp) throws -> QueryJob {
        let text = try parameters.required("query")
        let time = try parameters.prometheusTime("time") ?? now
        return try job(parameters) { engine in try engine.instant(text, at: time) }
    }

    func range(_ parameters: Query) throws -> QueryJob {
        let text = try parameters.required("query")
        guard let start = try parameters.prometheusTime("start") else {
            throw PrometheusError(.badData, "invalid parameter \"start\": it is missing")
        }
        guard let end = try parameters.prometheusTime("end") else {
            throw PrometheusError(.badData, "invalid parameter \"end\": it is missing")
        }
        guard end >= start else {
            throw PrometheusError(
                .badData, "invalid parameter \"end\": end timestamp must not be before start time")
        }
        guard let step = try parameters.duration("step") else {
            throw PrometheusError(.badData, "invalid parameter \"step\": it is missing")
        }
        guard step > 0 else {
            throw PrometheusError(
                .badData,
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a "
                    + "positive integer")
        }
        guard (end.milliseconds - start.milliseconds) / step < Int64(QueryLimits.stepsMax) else {
            throw PrometheusError(
                .badData,
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution "
                    + "(?step=XX)")
        }
        return try job(parameters) { engine in try engine.range(text, start: start, end: end, step: step) }
    }

    private func job(
        _ parameters: Query, _ evaluate: @escaping @Sendable (QueryEngine) throws -> QueryResult
    ) throws -> QueryJob {
        QueryJob(
            timeout: try parameters.duration("timeout"), limit: try parameters.resultLimit(),
            lookback: try parameters.duration("lookback_delta"), sourceResolution: try parameters.sourceResolution(),
            wantsStatistics: parameters["stats"].map { !$0.isEmpty } ?? false, language: language, body: evaluate)
    }

    private func run(_ tenant: TenantID, _ job: QueryJob) async throws -> Response {
        let sources = sources
        let text = try await bounds.run(tenant, timeout: job.timeout) { limits, interruption in
            try job.evaluate(try sources.queries(of: tenant), limits, interruption)
        }
        return text.response { [bounds] body in try await bounds.piece(tenant, body) }
    }
}

extension Response {
    static func prometheus(_ json: [UInt8]) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json)))
    }
}

extension Query {
    /// `max_source_resolution`, as Thanos has it: the longest stretch, milliseconds, that a rollup may stand for. `0s`
    /// reads samples only, `5m` rollups of five minutes, too. `auto`, and by default: any.
    func sourceResolution() throws -> Int64 {
        if self["max_source_resolution"] == "auto" { return .max }
        let longest = try duration("max_source_resolution") ?? .max
        guard longest >= 0 else {
            throw PrometheusError(.badData, "invalid parameter \"max_source_resolution\": negative")
        }
        return longest
    }

    /// `limit`: series in the answer; 0: all.
    func resultLimit() throws -> Int {
        guard let text = self["limit"], !text.isEmpty else { return 0 }
        guard let limit = Int(text), limit >= 0 else {
            throw PrometheusError(.badData, "invalid parameter \"limit\": a whole number from 0 on")
        }
        return limit
    }
}
