import API
import Interchange
import RuntimeSupport
import Snappy
import Synchronization
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

    @Test("pushes are answered as on the usual way, whoever sends them, on one connection and on many")
    func pushes() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let body = SnappyBlock.compress(PrometheusRouteTests.remoteWriteBody)
            for who in ["ingest@acme", "admin@acme", "analyst@acme", "root", "sbx_0011223344556677_x"] {
                for body in [body, [1, 2, 3], SnappyBlock.compress([]), SnappyBlock.compress([9, 9])] {
                    let direct = try await server.ask("POST", "/api/v1/write", as: who, body: body)
                    let usual = try await server.ask(
                        "POST", "/api/v1/write", as: who, body: body, headers: Self.usual)
                    #expect(direct.status == usual.status && direct.text == usual.text, "\(who), \(body.count) bytes")
                    var (names, others) = (direct.headers, usual.headers)
                    for name in ["date", "content-length"] { (names[name], others[name]) = (nil, nil) }
                    #expect(names == others, "\(who), \(body.count) bytes")
                }
            }
        }
    }

    @Test("remote write 2.0 is told what was stored, as on the usual way")
    func pushesOfTwo() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            var encoder = RemoteWriteEncoder(.two)
            encoder.add(
                SeriesKey(name: "up"), timestamps: [RouteTests.start, RouteTests.start + 1, .max], values: [1, 2, 3])
            let type = "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request"
            let body = SnappyBlock.compress(encoder.finish())
            let direct = try await server.ask("POST", "/api/v1/write", as: "ingest@acme", body: body, headers: [type])
            let usual = try await server.ask(
                "POST", "/api/v1/write", as: "ingest@acme", body: body, headers: [type] + Self.usual)
            #expect(direct.status == 400 && usual.status == 400 && direct.text == usual.text)
            #expect(direct.headers["x-prometheus-remote-write-samples-written"] == "2")
            var (names, others) = (direct.headers, usual.headers)
            (names["date"], others["date"]) = (nil, nil)
            #expect(names == others)
        }
    }

    /// A push as it goes over the wire.
    private static func bytes(_ body: [UInt8], _ token: String?) -> [UInt8] {
        let head = "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n"
        return Array((head + "Authorization: Bearer \(token ?? "")\r\n\r\n").utf8) + body
    }

    @Test(
        "pushes of one connection are answered in order, however their bytes come, also once the token is to be looked up anew"
    )
    func pushedInPieces() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let body = SnappyBlock.compress(PrometheusRouteTests.remoteWriteBody)
            let (token, port) = (server.tokens["ingest@acme"], server.listeningPort)
            let whole = Self.bytes(body, token)
            let time = server.time
            let statuses = try await server.blocking {
                let connection = try LoopbackConnection(port: port)
                for _ in 0..<3 { try connection.send(whole) }
                var statuses = try (0..<3).map { _ in try connection.receive().status }
                for length in stride(from: 1, to: whole.count, by: 7) {
                    time.advance(milliseconds: 300)
                    try connection.send(Array(whole.prefix(length)))
                    try connection.send(Array(whole.dropFirst(length)))
                    statuses.append(try connection.receive().status)
                }
                try connection.send("GET", "/healthz")
                try connection.send(whole)
                connection.endSending()
                return try statuses + (0..<2).map { _ in try connection.receive().status }
            }
            #expect(statuses.count > 20 && statuses.dropLast(2).allSatisfy { $0 == 204 })
            #expect(statuses.suffix(2) == [200, 204])
            #expect(server.sources.counts.all.withLock { $0.count } == statuses.count - 1)
        }
    }

    @Test("whoever sends a push and no more gets its answer; a push that ends in the middle is not stored")
    func halfClosed() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let body = SnappyBlock.compress(PrometheusRouteTests.remoteWriteBody)
            let (token, port) = (server.tokens["ingest@acme"], server.listeningPort)
            let whole = Self.bytes(body, token)
            let (status, isCutOff) = try await server.blocking {
                let connection = try LoopbackConnection(port: port)
                try connection.send(whole)
                connection.endSending()
                let status = try connection.receive().status
                let other = try LoopbackConnection(port: port)
                try other.send(whole + whole.dropLast())
                other.endSending()
                _ = try other.receive()
                do {
                    _ = try other.receive()
                    return (status, false)
                } catch { return (status, true) }
            }
            #expect(status == 204 && isCutOff)
            #expect(server.sources.counts.all.withLock { $0.count } == 2)
        }
    }

    @Test("the body of somebody unknown, of somebody who may not push, or of too many bytes is not kept")
    func unwanted() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let port = server.listeningPort
            for (who, bytes, expected) in [
                ("sbx_0011223344556677_x", 30 << 20, 401), ("analyst@acme", 30 << 20, 403),
            ] {
                let token = server.tokens[who] ?? who
                let status = try await server.blocking {
                    let connection = try LoopbackConnection(port: port)
                    let head = "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: \(bytes)\r\n"
                    try connection.send(Array((head + "Authorization: Bearer \(token)\r\n\r\n").utf8))
                    return try connection.receive().status
                }
                #expect(status == expected, "\(who)")
            }
            let tooMany = [UInt8](repeating: 1, count: (32 << 20) + 1)
            let answer = try await server.ask("POST", "/api/v1/write", as: "ingest@acme", body: tooMany)
            #expect(answer.status == 413)
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
