import HTTPTypes
import Hummingbird
import PromQL
import Rules
import Store
import Telemetry

/// What clients of Prometheus look for beside queries, and which is empty or constant here.
func compatibilityRoutes(_ dependencies: APIDependencies, startedAt: Timestamp) -> [Route] {
    let (access, pool) = (dependencies.access, dependencies.pool)
    func listed(_ path: String, _ summary: String, _ data: JSON) -> Route {
        Route(.get, path, .metrics, summary) { request in
            try await PrometheusError.answering {
                _ = try await request.tenant(access, pool)
                return .data(data)
            }
        }
    }
    let exemplars = [HTTPRequest.Method.get, .post].map { method in
        Route(method, "/api/v1/query_exemplars", .metrics, "exemplars, of which none are kept; query, start, end") {
            request in
            try await PrometheusError.answering {
                _ = try await request.tenant(access, pool)
                let parameters = try await request.form()
                _ = try Parser.parse(try parameters.required("query"))
                _ = try parameters.listedRange(now: request.now)
                return .data(.array([]))
            }
        }
    }
    return exemplars + [
        listed(
            "/api/v1/targets", "targets that this program scrapes itself: none",
            .object([
                ("activeTargets", .array([])), ("droppedTargets", .array([])), ("droppedTargetCounts", .object([])),
            ])),
        listed("/api/v1/targets/metadata", "metadata of targets: none", .array([])),
        listed(
            "/api/v1/alertmanagers", "Alertmanagers that alerts are sent to: none",
            .object([("activeAlertmanagers", .array([])), ("droppedAlertmanagers", .array([]))])),
        Route(.get, "/api/v1/status/flags", .metrics, "settings that bear on queries") { request in
            try await PrometheusError.answering {
                let limits = try dependencies.sources.limits(of: try await request.tenant(access, pool))
                return .data(
                    .object([
                        ("query.lookback-delta", .string("5m")),
                        ("query.max-concurrency", .string("\(limits.queries)")),
                        ("query.max-samples", .string("\(limits.querySamples)")),
                        ("query.timeout", .string(DurationText.format(Int64(limits.querySeconds) * 1000))),
                        ("web.enable-remote-write-receiver", .string("true")),
                    ]))
            }
        },
        Route(.get, "/api/v1/status/runtimeinfo", .metrics, "since when it runs") { request in
            try await PrometheusError.answering {
                let tenant = try await request.tenant(access, pool)
                return .data(
                    .object([
                        ("startTime", .time(startedAt)), ("serverTime", .time(request.now)),
                        ("reloadConfigSuccess", .bool(dependencies.rules(tenant).problems.isEmpty)),
                    ]))
            }
        },
        Route(.get, "/-/healthy", .open, "whether the program runs") { _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: "Stagebox is Healthy.\n")))
        },
        Route(.get, "/-/ready", .open, "whether it can do its work") { _ in
            let isReady = dependencies.readiness().problems.isEmpty
            return Response(
                status: isReady ? .ok : .serviceUnavailable, headers: [.contentType: "text/plain; charset=utf-8"],
                body: ResponseBody(
                    byteBuffer: ByteBuffer(string: isReady ? "Stagebox is Ready.\n" : "Service Unavailable\n")))
        },
    ]
}
