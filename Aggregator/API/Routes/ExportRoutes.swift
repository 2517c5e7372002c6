import HTTPTypes
import Hummingbird
import Store
import Telemetry

enum ExportFormat: String, CaseIterable, Sendable { case jsonl, csv }

func exportRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (sources, access, pool) = (dependencies.sources, dependencies.access, dependencies.pool)
    return [
        Route(
            .get, "/api/v1/export", .metrics,
            "samples of matching series, streamed; match[]=, start, end, format=jsonl|csv"
        ) {
            request in
            let tenant = try await request.tenant(access, pool)
            let selectors = try request.query.selectors(required: true)
            let range = try request.query.range(now: request.now)
            let format = try request.query.choice("format", ExportFormat.self) ?? .jsonl
            // Opened before the answer begins, so that what can fail early gets a proper error.
            let export = try await pool.run {
                Passenger(try SampleExport(sources, tenant, selectors, range, format))
            }
            return .stream(format) { try await pool.run { try export.value.next() } }
        },
        Route(.get, "/api/v1/events/export", .events, "listening events, streamed; kind=, start, end, format=jsonl|csv")
        {
            request in
            let tenant = try await request.tenant(access, pool)
            let kinds = try request.query.all("kind").map { name in
                guard let kind = EventKind(name: name) else {
                    let choices = EventKind.allCases.map(\.name).joined(separator: ", ")
                    throw Problem(.invalidRequest, "kind: one of \(choices), not \"\(name.prefix(64))\"")
                }
                return kind
            }
            let range = try request.query.range(now: request.now, defaultMilliseconds: 86_400_000)
            let format = try request.query.choice("format", ExportFormat.self) ?? .jsonl
            let includesHistory = request.query["history"] == "1"
            let export = try await pool.run {
                let cursor = try sources.events(of: tenant)
                    .events(in: range, kinds: Set(kinds), includesHistory: includesHistory)
                return Passenger(EventExport(cursor, format))
            }
            return .stream(format) { try await pool.run { try export.value.next() } }
        },
    ]
}

extension Response {
    fileprivate static func stream(
        _ format: ExportFormat, _ next: @escaping @Sendable () async throws -> [UInt8]?
    ) -> Response {
        .streamed(format == .csv ? "text/csv; charset=utf-8" : "application/x-ndjson", next)
    }
}
