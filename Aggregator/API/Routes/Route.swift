package import Access
package import HTTPTypes
import Hummingbird
import Telemetry

/// One route: what it is, who may use it, what it does. The router and its tests are made from the list of them.
package struct Route: Sendable {
    package enum Audience: Sendable, Hashable {
        /// Anyone; no token is looked at.
        case open
        /// Tokens of these roles, each for its own tenant; administrators of the installation for any.
        case roles(Set<Role>)
        /// Administrators of the installation.
        case installation
    }
    package let method: HTTPRequest.Method
    /// With `{name}` for parameters.
    package let path: String
    package let audience: Audience
    /// One line for people.
    package let summary: String
    /// A one-time ticket will do instead of a token.
    package let acceptsTicket: Bool
    let handle: @Sendable (APIRequest) async throws -> Response

    init(
        _ method: HTTPRequest.Method, _ path: String, _ audience: Audience, _ summary: String,
        acceptsTicket: Bool = false, handle: @escaping @Sendable (APIRequest) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.audience = audience
        self.summary = summary
        self.acceptsTicket = acceptsTicket
        self.handle = handle
    }
}

extension Route.Audience {
    static let fleet = Self.roles([.admin, .operator])
    static let metrics = Self.roles([.admin, .operator, .analyst])
    static let events = Self.roles([.admin, .analyst])
    static let admin = Self.roles([.admin])
}

/// Checks a request against its route's audience.
struct Gate: Sendable {
    let access: AccessStore
    let tickets: TicketOffice
    let pool: BlockingPool

    func admit(_ request: Request, _ context: APIContext, _ route: Route, query: Query, now: Timestamp) async throws
        -> APIRequest
    {
        guard route.audience != .open else {
            return APIRequest(request: request, context: context, query: query, principal: nil, now: now)
        }
        let principal = try await self.principal(request, route, query, now)
        try Self.check(principal, route.audience)
        return APIRequest(request: request, context: context, query: query, principal: principal, now: now)
    }

    static let unauthenticated = Problem(
        .unauthenticated, "send Authorization: Bearer <token>, with a token that is not expired or revoked")

    /// - Throws: ``Problem`` when the audience is another.
    static func check(_ principal: Principal, _ audience: Route.Audience) throws {
        switch audience {
        case .open: break
        case .roles(let roles):
            guard roles.contains(principal.role) else {
                let needed = roles.map(\.rawValue).sorted().joined(separator: " or ")
                throw Problem(
                    .forbidden, "this needs the role \(needed); the token's role is \(principal.role.rawValue)")
            }
        case .installation:
            guard principal.role == .admin, principal.tenant == nil else {
                throw Problem(.forbidden, "this needs a token of the installation's administrator")
            }
        }
    }

    private func principal(_ request: Request, _ route: Route, _ query: Query, _ now: Timestamp) async throws
        -> Principal
    {
        if let header = request.headers[.authorization] {
            let parts = header.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "bearer" else {
                throw Problem(.unauthenticated, "send Authorization: Bearer <token>")
            }
            let text = String(parts[1])
            let access = access
            if let principal = access.admitted(text, now: now) { return principal }
            if let principal = try await pool.run({ try access.authenticate(text, now: now) }) { return principal }
        } else if route.acceptsTicket, let ticket = query["ticket"] {
            if let principal = tickets.spend(ticket, now: now) { return principal }
        }
        throw Self.unauthenticated
    }
}

extension Response {
    static func json(_ value: JSON, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.encoded)))
    }
}
