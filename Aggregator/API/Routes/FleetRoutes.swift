import HTTPTypes
import Hummingbird
import Telemetry

func fleetRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (sources, access, pool) = (dependencies.sources, dependencies.access, dependencies.pool)
    return [
        Route(.get, "/api/v1/agents", .fleet, "the fleet: state, lag, versions, clock, buffer; ?state=online") {
            request in
            let tenant = try await request.tenant(access, pool)
            let state = try request.query.choice("state", AgentSummary.State.self)
            let agents = try await pool.run { try sources.agents(of: tenant) }
            let shown = state.map { wanted in agents.filter { $0.state == wanted } } ?? agents
            return .json(
                .object([
                    ("tenant", .string(tenant.rawValue)), ("time", .time(request.now)),
                    ("agents", .array(shown.map(\.json))),
                ]))
        },
        Route(.get, "/api/v1/ledger", .fleet, "what was produced and what became of it; ?agent=") { request in
            let tenant = try await request.tenant(access, pool)
            let agent = try request.query.name(AgentID.self, "agent")
            let all = try await pool.run { try sources.ledger(of: tenant) }
            let lines = agent.map { wanted in all.filter { $0.agent == wanted } } ?? all
            let missing = lines.filter { !$0.isBalanced }.count
            return .json(
                .object([
                    ("tenant", .string(tenant.rawValue)), ("time", .time(request.now)),
                    ("balanced", .bool(missing == 0)), ("unbalanced_lanes", .integer(Int64(missing))),
                    ("lanes", .array(lines.map(\.json))),
                ]))
        },
    ]
}
