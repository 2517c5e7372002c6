import API
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

/// Queries that are answered straight from the socket, beside the same ones on the usual way.
@Suite("Direct answers") struct DirectRouteTests {
    private static let tenants = [TestServer.acme: RouteTests.tenant]
    /// A header that is none of those of a plain request.
    private static let usual = ["Expect: nothing"]

    private static var many: FakeSources.Tenant {
        var tenant = FakeSources.Tenant()
        tenant.series = (0..<400).map { number in
            (
                SeriesKey(name: "many", labels: [Label("n", "\(number)")]),
                (0..<60).map {
                    Sample(
                        timestamp: Timestamp(milliseconds: RouteTests.start + $0 * 1000), value: Double($0) / 7)
                }
            )
        }
        return tenant
    }

    @Test("answers, errors and headers are those of the usual way", arguments: [1, 2])
    func alike(loops: Int) async throws {
        try await TestServer(Self.tenants, loops: loops).run { server async throws in
            let start = RouteTests.start / 1000
            let targets =
                [
                    "query=up&time=\(start + 2)", "query=up*0.1&time=\(start + 2)&stats=all", "query=1", "query=up%5B",
                    "query=", "query=up&time=x", "query=sum(up)&time=\(start)&tenant=other",
                    "query=absent(none)&limit=1",
                    "query=1&timeout=x", "query=up%zz",
                ].map { "/api/v1/query?\($0)" }
                + [
                    "query=up&start=\(start)&end=\(start + 2)&step=1", "query=up&start=2&end=1&step=1",
                    "query=up&start=0&end=90000000&step=1", "query=label_replace(up,%22a%22,%22$1%22,%22b%22,%22(%22)",
                ].map { "/api/v1/query_range?\($0)" } + ["/api/v1/query_exemplars?query=up", "/api/v1/query"]
            // The first one makes the token known.
            _ = try await server.ask("GET", targets[0], as: "analyst@acme")
            for target in targets {
                let direct = try await server.ask("GET", target, as: "analyst@acme")
                let usual = try await server.ask("GET", target, as: "analyst@acme", headers: Self.usual)
                #expect(direct.status == usual.status, "\(target)")
                if !target.contains("stats") { #expect(direct.text == usual.text, "\(target)") }
                var (names, others) = (direct.headers, usual.headers)
                for name in ["date", "content-length"] {
                    #expect(names[name] != nil && others[name] != nil, "\(target): \(name)")
                    names[name] = nil
                    others[name] = nil
                }
                #expect(names == others, "\(target)")
            }
            let unknown = try await server.ask("GET", targets[0], as: "sbx_0011223344556677_x")
            #expect(unknown.status == 401)
            let nobody = try await server.ask("GET", targets[0], as: nil)
            #expect(nobody.status == 401)
        }
    }

    @Test("requests of one connection are answered in order, plain and other ones mixed")
    func pipelined() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let token = server.tokens["analyst@acme"]
            _ = try await server.ask("GET", "/api/v1/query?query=1", as: "analyst@acme")
            let port = server.listeningPort
            let texts = try await server.blocking {
                let connection = try LoopbackConnection(port: port)
                for number in 0..<8 {
                    let isOther = number == 5
                    try connection.send(
                        "GET", "/api/v1/query?query=\(number)", token: token, headers: isOther ? Self.usual : [])
                }
                return try (0..<8).map { _ in try connection.receive().text }
            }
            for (number, text) in texts.enumerated() { #expect(text.contains("\"\(number)\"]"), "\(text)") }
        }
    }

    @Test("a long answer comes in chunks that make up the whole, and the connection goes on")
    func streamed() async throws {
        try await TestServer([TestServer.acme: Self.many]).run { server async throws in
            let start = RouteTests.start / 1000
            let target = "/api/v1/query_range?query=many&start=\(start)&end=\(start + 59)&step=1"
            let token = server.tokens["analyst@acme"]
            _ = try await server.ask("GET", "/api/v1/query?query=1", as: "analyst@acme")
            let port = server.listeningPort
            let (long, short) = try await server.blocking {
                let connection = try LoopbackConnection(port: port)
                try connection.send("GET", target, token: token)
                let long = try connection.receive()
                try connection.send("GET", "/api/v1/query?query=7", token: token)
                return (long, try connection.receive())
            }
            #expect(long.headers["transfer-encoding"] == "chunked" && long.isComplete)
            #expect(long.body.count > 400_000)
            let usual = try await server.ask("GET", target, as: "analyst@acme", headers: Self.usual)
            #expect(long.text == usual.text)
            #expect(short.text.contains("\"7\"]"))
        }
    }

    @Test("a connection that is to be closed is closed when the answer has gone out")
    func closed() async throws {
        try await TestServer([TestServer.acme: Self.many]).run { server async throws in
            _ = try await server.ask("GET", "/api/v1/query?query=1", as: "analyst@acme")
            let (token, port) = (server.tokens["analyst@acme"], server.listeningPort)
            let start = RouteTests.start / 1000
            let isClosed = try await server.blocking {
                let connection = try LoopbackConnection(port: port)
                try connection.send(
                    "GET", "/api/v1/query_range?query=many&start=\(start)&end=\(start + 59)&step=1", token: token,
                    headers: ["Connection: close"])
                guard try connection.receive().isComplete else { return false }
                do {
                    _ = try connection.receive()
                    return false
                } catch { return true }
            }
            #expect(isClosed)
        }
    }
}
