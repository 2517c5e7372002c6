import Detection
import HTTPTypes
import Hummingbird
import PromQL
import Store
import Telemetry

/// Which series, nodes, metrics and groups became strange together.
func anomalyRoutes(_ dependencies: APIDependencies, _ bounds: QueryBounds) -> [Route] {
    let (sources, access, pool) = (dependencies.sources, dependencies.access, dependencies.queryPool)
    return [
        Route(
            .get, "/api/v1/anomalies", .metrics,
            "what is anomalous more often in a window than in the four before it, ranked; start, end or finding, "
                + "match[], limit"
        ) { request in
            let tenant = try await request.tenant(access, pool)
            let parameters = request.query
            let selectors = try parameters.selectors(required: false)
            let limit = try rankLimit(parameters)
            let finding = try parameters.identifier("finding")
            let window = try parameters.range(now: request.now)
            let now = request.now
            return try await bounds.run(tenant) { _, interruption in
                var query = AnomalyQuery(selectors: selectors, window: window, limit: limit)
                if let finding { query.window = try around(finding, of: tenant, sources, now: now) }
                do {
                    let ranking = try sources.anomalies(query, of: tenant) {
                        if let error = interruption.error { throw Problem(.limitReached, error.message) }
                    }
                    return .json(ranking.json(tenant, query))
                } catch let error as AnomalyQueryError { throw Problem(error) }
            }
        }
    ]
}

/// A finding's time with a minute around it, at least five minutes in all.
private func around(_ id: ID128, of tenant: TenantID, _ sources: any TenantSources, now: Timestamp) throws
    -> ClosedRange<Timestamp>
{
    var query = FindingQuery(range: .distantPast ... .distantFuture, limit: 1)
    query.id = id
    guard let found = try sources.findings(query, of: tenant).first?.finding else {
        throw Problem(.notFound, "there is no finding \(id)")
    }
    let start = found.since.advanced(byMilliseconds: -60_000)
    let end = (found.until ?? now).advanced(byMilliseconds: 60_000)
    let longest = start.advanced(byMilliseconds: AnomalyQuery.windowMilliseconds.upperBound)
    return start...max(start.advanced(byMilliseconds: 300_000), min(end, longest))
}

private func rankLimit(_ parameters: Query) throws -> Int {
    guard let text = parameters["limit"] else { return 20 }
    guard let limit = Int(text), 1...1000 ~= limit else {
        throw Problem(.invalidRequest, "limit: a whole number from 1 to 1000, not \"\(text.prefix(32))\"")
    }
    return limit
}

extension Query {
    fileprivate func identifier(_ name: String) throws -> ID128? {
        guard let text = self[name] else { return nil }
        guard let id = ID128(hexadecimal: text) else {
            throw Problem(.invalidRequest, "\(name): 32 hexadecimal digits, not \"\(text.prefix(64))\"")
        }
        return id
    }
}

extension Problem {
    fileprivate init(_ error: AnomalyQueryError) {
        switch error {
        case .window: self.init(.invalidRequest, "the window from start to end is one minute to a day long")
        case .series(let count):
            self.init(
                .limitReached, "\(count) series match, at most \(AnomalyQuery.seriesMax): name fewer with match[]")
        }
    }
}

extension AnomalyRanking {
    /// Rates 0…1: of the slots of time with samples, those with an anomalous one.
    fileprivate func json(_ tenant: TenantID, _ query: AnomalyQuery) -> JSON {
        .object([
            ("tenant", .string(tenant.rawValue)), ("start", .time(query.window.lowerBound)),
            ("end", .time(query.window.upperBound)), ("slot_milliseconds", .integer(slot)),
            ("series_seen", .integer(Int64(seriesCount))),
            (
                "series",
                .array(
                    series.map { entry in
                        let labels = JSON.object(entry.name.labels.map { ($0.name, .string($0.value)) })
                        return .object([("labels", labels)] + members(entry.rise))
                    })
            ),
            ("nodes", .array(nodes.map { .object([("agent", .string($0.name.rawValue))] + members($0.rise)) })),
            ("metrics", .array(metrics.map { .object([("metric", .string($0.name))] + members($0.rise)) })),
            ("groups", .array(groups.map { .object([("group", .string($0.name.rawValue))] + members($0.rise)) })),
        ])
    }

    private func members(_ rise: RateRise) -> [(String, JSON)] {
        [
            ("score", .number(rise.score)), ("rate", .number(rise.within.rate)),
            ("rate_before", .number(rise.before.rate)),
        ]
    }
}
