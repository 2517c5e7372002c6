import HTTPTypes
import Hummingbird
import Store
import Telemetry

/// What agents found strange, open and past.
func findingRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (sources, access, pool) = (dependencies.sources, dependencies.access, dependencies.queryPool)
    return [
        Route(
            .get, "/api/v1/findings", .metrics,
            "what agents found strange, newest first; agent, relay, state=open|closed, group, metric, start, end, limit"
        ) { request in
            let tenant = try await request.tenant(access, pool)
            let parameters = request.query
            var query = FindingQuery(range: try parameters.range(now: request.now, defaultMilliseconds: 86_400_000))
            query.agent = try parameters.name(AgentID.self, "agent")
            query.relay = try parameters.name(AgentID.self, "relay")
            query.isOpen = try parameters.choice("state", FindingState.self).map { $0 == .open }
            query.group = parameters["group"]
            query.metric = parameters["metric"]
            query.limit = try findingLimit(parameters)
            let found = try await pool.run(for: tenant) { [query] in try sources.findings(query, of: tenant) }
            return .json(
                .object([
                    ("tenant", .string(tenant.rawValue)), ("time", .time(request.now)),
                    ("findings", .array(found.map(\.json))),
                ]))
        }
    ]
}

private enum FindingState: String, CaseIterable { case open, closed }

private func findingLimit(_ parameters: Query) throws -> Int {
    guard let text = parameters["limit"] else { return 100 }
    guard let limit = Int(text), 1...1000 ~= limit else {
        throw Problem(.invalidRequest, "limit: a whole number from 1 to 1000, not \"\(text.prefix(32))\"")
    }
    return limit
}

extension StoredFinding {
    /// Times in RFC 3339; scores and shares 0…1; `shape`: milliseconds and values of the first contributor; `origin`: who
    /// found it, and `fleet`: what comparing it with its peers found of a node's finding. `relay`: who handed it on from
    /// another region, `over`: the relays before that one; there `agent` is the name that the node has in its region.
    var json: JSON {
        let rule = finding.rule.map { rule in
            JSON.object([
                ("name", .string(rule.name)), ("severity", .string(rule.severity.name)),
                ("value", .number(rule.value)), ("threshold", .number(rule.threshold)),
            ])
        }
        let shape = finding.shape.map { shape in
            JSON.object([
                ("start", .time(shape.start)), ("step_milliseconds", .integer(shape.stepMilliseconds)),
                ("values", .array(shape.values.map { $0.isFinite ? .number(Double($0)) : .null })),
            ])
        }
        return .object([
            ("id", .string(finding.id.description)), ("agent", .string(agent.rawValue)),
            ("origin", .string(origin == .node ? "node" : "fleet")), ("group", .string(finding.group)),
            ("state", .string(until == nil ? "open" : "closed")),
            ("since", .time(finding.since)), ("until", .time(until)), ("score", .number(finding.score)),
            ("peak", .time(finding.peakAt)), ("anomalous_samples", .integer(Int64(finding.anomalousCount))),
            (
                "contributors",
                .array(
                    finding.contributors.map { contributor in
                        .object([
                            ("labels", .object(contributor.key.labels.map { ($0.name, .string($0.value)) })),
                            ("share", .number(contributor.share)),
                        ])
                    })
            ),
            ("shape", shape ?? .null), ("rule", rule ?? .null),
            (
                "fleet",
                .array(
                    fleet.map { part in
                        .object([
                            ("id", .string(part.id.description)), ("since", .time(part.since)),
                            ("until", .time(part.until)), ("score", .number(part.score)),
                        ])
                    })
            ),
            ("region", .string(region)), ("relay", .text(relay?.rawValue)),
            ("over", .array((finding.source?.relays ?? []).map { .string($0.rawValue) })),
        ])
    }
}
