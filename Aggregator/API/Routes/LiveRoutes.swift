import Access
import HTTPTypes
import Hummingbird
import Telemetry

func liveRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (access, pool) = (dependencies.access, dependencies.pool)
    return [
        Route(.post, "/api/v1/live/ticket", .fleet, "a one-time ticket for the live stream, for 30 seconds") {
            request in
            guard let principal = request.principal,
                let ticket = dependencies.tickets.issue(to: principal, now: request.now)
            else { throw Problem(.tooManyRequests, "too many tickets are unspent", retryAfterSeconds: 30) }
            let expiry = request.now.advanced(byMilliseconds: TicketOffice.lifetimeMilliseconds)
            return .json(.object([("ticket", .string(ticket)), ("expires", .time(expiry))]), status: .created)
        },
        Route(
            .get, "/api/v1/live/stream", .fleet,
            "server-sent events: the fleet, and an agent's samples; agent=, ticket=",
            acceptsTicket: true
        ) { request in
            let tenant = try await request.tenant(access, pool)
            let agent = try request.query.name(AgentID.self, "agent")
            guard let principal = request.principal else { throw Problem(.unauthenticated, "send a token or a ticket") }
            // A HEAD's body is never read: a stream behind it would stay for ever.
            if request.request.method == .head { return LiveStream.head }
            guard let subscription = dependencies.live.subscribe(tenant: tenant, agent: agent) else {
                throw Problem(.tooManyRequests, "too many live streams are open", retryAfterSeconds: 30)
            }
            return LiveStream(
                dependencies: dependencies, subscription: subscription, tenant: tenant, tokenID: principal.tokenID
            ).response()
        },
    ]
}
