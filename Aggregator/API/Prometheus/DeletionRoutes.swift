import HTTPTypes
import Hummingbird
import Telemetry

/// Deletion by matcher, as Prometheus' admin API has it.
func deletionRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (sources, access, pool) = (dependencies.sources, dependencies.access, dependencies.pool)
    return [HTTPRequest.Method.post, .put].flatMap { method in
        [
            Route(
                method, "/api/v1/admin/tsdb/delete_series", .admin,
                "deletes samples of series that match, before it answers; match[]=, start, end"
            ) { request in
                try await PrometheusError.answering {
                    let tenant = try await request.tenant(access, pool)
                    let parameters = try await request.form()
                    let selectors = try parameters.selectors(required: true)
                    let range = try parameters.listedRange(now: request.now)
                    try await pool.run { try sources.delete(selectors, in: range, of: tenant) }
                    return Response(status: .noContent)
                }
            },
            Route(
                method, "/api/v1/admin/tsdb/clean_tombstones", .admin,
                "takes what was deleted out of the files now, not when its turn comes"
            ) { request in
                try await PrometheusError.answering {
                    let tenant = try await request.tenant(access, pool)
                    try await pool.run { try sources.cleanDeletions(of: tenant) }
                    return Response(status: .noContent)
                }
            },
        ]
    }
}
