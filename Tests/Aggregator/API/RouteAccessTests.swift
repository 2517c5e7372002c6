import API
import Access
import HTTPTypes
import RuntimeSupport
import Synchronization
import Telemetry
import Testing

/// Walks every route with every role, without a token and across tenants.
@Suite("Access to routes") struct RouteAccessTests {
    private static let bodies = [
        "/api/v1/admin/tenants": #"{"name":"fresh"}"#, "/api/v1/admin/tokens": #"{"role":"analyst"}"#,
    ]

    /// The path with its parameters filled in and what the route requires in the query.
    private func target(_ route: Route, _ id: String) -> String {
        let path = route.path.replacing("{name}", with: "job").replacing("{id}", with: id)
            .replacing("{agent}", with: "node")
        let needsMatch =
            ["/series", "/delete_series", "/federate"].contains { route.path.hasSuffix($0) }
            || route.path.hasSuffix("/v1/export")
        return path + (needsMatch ? "?match[]=up" : "")
    }

    private func status(_ server: TestServer, _ route: Route, _ target: String, as who: String?) async throws -> Int {
        // A stream does not end by itself; its head is enough.
        if route.path.hasSuffix("/stream") {
            let token = who.flatMap { server.tokens[$0] ?? $0 }
            let port = server.listeningPort
            return try await server.blocking {
                let connection = try LoopbackConnection(port: port)
                try connection.send("GET", target, token: token)
                let head = try connection.read(until: "\r\n\r\n")
                return Int(head.split(separator: " ")[1]) ?? 0
            }
        }
        let body = Self.bodies[route.path] ?? ""
        return try await server.ask(route.method.rawValue, target, as: who, text: body).status
    }

    @Test("every route answers 401, 403 or 404 to those it is not for, and leaves foreign data alone")
    func everyRoute() async throws {
        try await TestServer().run { server async throws in
            let routes = makeRoutes(
                server.dependencies, configuration: server.configuration, metrics: server.metrics, time: server.time)
            #expect(routes.count >= 20)
            for route in routes where route.audience != .open {
                let name = "\(route.method.rawValue) \(route.path)"
                let plain = target(route, "0011223344556677")
                let foreign = plain + (plain.contains("?") ? "&" : "?") + "tenant=other"
                #expect(try await status(server, route, plain, as: nil) == 401, "\(name) without a token")
                #expect(
                    try await status(server, route, plain, as: "sbx_0011223344556677_x") == 401,
                    "\(name) with a bad token")
                for role in Role.allCases {
                    let who = "\(role.rawValue)@acme"
                    let isAllowed =
                        switch route.audience {
                        case .open: true
                        case .roles(let roles): roles.contains(role)
                        case .installation: false
                        }
                    let status = try await status(server, route, plain, as: who)
                    if isAllowed {
                        #expect(![401, 403].contains(status) && status < 500, "\(name) as \(who): \(status)")
                    } else {
                        #expect(status == 403, "\(name) as \(who): \(status)")
                    }
                    server.sources.asked.withLock { $0.removeAll() }
                    let across = try await self.status(server, route, foreign, as: who)
                    // Tickets are the bearer's own; the tenant is looked at when they are used.
                    if isAllowed, !route.path.hasSuffix("/ticket") {
                        #expect(across == 404, "\(name) of a foreign tenant as \(who): \(across)")
                    }
                    #expect(
                        server.sources.asked.withLock { !$0.contains(TestServer.other) }, "\(name) touched other's data"
                    )
                }
            }
        }
    }

    @Test("ids of another tenant are not found")
    func foreignIdentifiers() async throws {
        try await TestServer().run { server async throws in
            let record = try server.access.createToken(role: .analyst, tenant: TestServer.other, now: server.time.now)
                .record
            let offer = EnrolmentOffer(
                tenant: TestServer.other, expiresAt: server.time.now.advanced(byMilliseconds: 1000))
            let id = try server.access.createEnrolment(offer, now: server.time.now).id
            for path in ["/api/v1/admin/tokens/\(record.id)", "/api/v1/admin/enrolments/\(id)"] {
                #expect(try await server.ask("DELETE", path, as: "admin@acme").status == 404)
                #expect(try await server.ask("DELETE", path + "?tenant=other", as: "admin@acme").status == 404)
                #expect(try await server.ask("DELETE", path, as: "admin@other").status == 204)
            }
        }
    }

    @Test("the installation's administrator names a tenant, and an unknown one is not found")
    func installation() async throws {
        try await TestServer().run { server async throws in
            #expect(try await server.ask("GET", "/api/v1/agents", as: "root").status == 400)
            #expect(try await server.ask("GET", "/api/v1/agents?tenant=acme", as: "root").status == 200)
            #expect(try await server.ask("GET", "/api/v1/agents?tenant=nobody", as: "root").status == 404)
            #expect(
                try await server.ask("POST", "/api/v1/admin/tenants", as: "root", text: #"{"name":"new"}"#).status
                    == 201)
            #expect(
                try await server.ask("POST", "/api/v1/admin/tenants", as: "root", text: #"{"name":"new"}"#).status
                    == 409)
            #expect(
                try await server.ask("POST", "/api/v1/admin/tenants", as: "root", text: #"{"name":"No"}"#).status == 400
            )
        }
    }

    @Test("a ticket opens one stream, once, for its tenant, and not after its time")
    func tickets() async throws {
        try await TestServer().run { server async throws in
            func ticket() async throws -> String {
                let answer = try await server.ask("POST", "/api/v1/live/ticket", as: "operator@acme")
                #expect(answer.status == 201)
                return String(answer.text.split(separator: "\"")[3])
            }
            let route = try #require(
                makeRoutes(
                    server.dependencies, configuration: server.configuration, metrics: server.metrics, time: server.time
                ).first { $0.acceptsTicket })
            let first = try await ticket()
            #expect(try await status(server, route, "/api/v1/live/stream?ticket=\(first)", as: nil) == 200)
            #expect(try await status(server, route, "/api/v1/live/stream?ticket=\(first)", as: nil) == 401)
            let second = try await ticket()
            #expect(try await server.ask("GET", "/api/v1/agents?ticket=\(second)").status == 401)
            #expect(
                try await status(server, route, "/api/v1/live/stream?tenant=other&ticket=\(second)", as: nil) == 404)
            let late = try await ticket()
            server.time.advance(milliseconds: 30_000)
            #expect(try await status(server, route, "/api/v1/live/stream?ticket=\(late)", as: nil) == 401)
            #expect(
                try await status(
                    server, route, "/api/v1/live/stream?ticket=\(server.tokens["operator@acme"] ?? "")", as: nil) == 401
            )
        }
    }
}
