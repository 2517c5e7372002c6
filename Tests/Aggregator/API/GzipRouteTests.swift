import Gzip
import Snappy
import Telemetry
import TestSupport
import Testing

@Suite("gzip in and out") struct GzipRouteTests {
    private static let tenants = [TestServer.acme: RouteTests.tenant]
    private static let asking = "Accept-Encoding: gzip"
    private static let packed = "Content-Encoding: gzip"

    private static func exposition(lines: Int) -> [UInt8] {
        Array((0..<lines).map { "metric_of_some_name{number=\"\($0)\"} \($0) 5000\n" }.joined().utf8)
    }

    @Test("long answers are compressed for those who ask, whatever their form; short ones and others' are not")
    func answers() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let cases: [(String, Bool)] = [
                ("/metrics", false), ("/api/v1/query?query=1", false),
                ("/api/v1/query_range?query=vector(time())&start=0&end=300&step=1", true),
                ("/api/v1/export?match[]=up&start=0", true),
            ]
            for (target, isLong) in cases {
                let plain = try await server.ask("GET", target, as: "admin@acme")
                #expect(plain.headers["content-encoding"] == nil && plain.status == 200, "\(target)")
                let answer = try await server.ask("GET", target, as: "admin@acme", headers: [Self.asking])
                #expect(answer.headers["vary"] == "Accept-Encoding", "\(target)")
                guard isLong else {
                    #expect(answer.headers["content-encoding"] == nil || plain.body.count >= 1024, "\(target)")
                    continue
                }
                #expect(answer.headers["content-encoding"] == "gzip" && answer.isComplete, "\(target)")
                #expect(try GzipInflater.inflate(answer.body, boundBytes: 1 << 20) == plain.body, "\(target)")
            }
        }
    }

    @Test(
        "the client's weights decide",
        arguments: [
            ("gzip", true), ("GZIP;q=0.5", true), ("deflate, gzip;q=1.0, *;q=0.5", true), ("*", true),
            ("x-gzip", true), ("br;q=1, *;q=0.1", true), ("gzip;q=0", false), ("*;q=0", false), ("identity", false),
            ("identity;q=1, gzip;q=0.5", false), ("gzip;q=2", false), ("br", false), ("", false), (";q=1,,", false),
            ("*;q=0, gzip", true), ("gzip ; q=0.001", true),
        ])
    func weights(header: String, isCompressed: Bool) async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let answer = try await server.ask(
                "GET", "/api/v1/query_range?query=vector(1)&start=0&end=300&step=1", as: "admin@acme",
                headers: ["Accept-Encoding: \(header)"])
            #expect((answer.headers["content-encoding"] == "gzip") == isCompressed)
        }
    }

    @Test("compressed bodies are taken by every route that takes bodies")
    func bodies() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let form = ["Content-Type: application/x-www-form-urlencoded", Self.packed]
            let cases: [(String, [UInt8], [String], String, Int)] = [
                ("/api/v1/query", Array("query=1%2B1".utf8), form, "analyst@acme", 200),
                ("/api/v1/series", Array("match[]=up".utf8), form, "analyst@acme", 200),
                ("/api/v1/import/prometheus", Self.exposition(lines: 100), [Self.packed], "ingest@acme", 204),
                ("/write", Array("m f=1 1000".utf8), [Self.packed], "ingest@acme", 204),
                ("/api/v2/write", Array("m f=1 1000".utf8), [Self.packed], "ingest@acme", 204),
                (
                    "/api/v1/otlp/v1/metrics", Array("{}".utf8), ["Content-Type: application/json", Self.packed],
                    "ingest@acme", 200
                ),
                ("/api/v1/write", [], [Self.packed], "ingest@acme", 204),
                (
                    "/api/v1/admin/enrolments", Array("{\"agent\":\"a-1\"}".utf8), [Self.packed], "admin@acme", 200
                ),
            ]
            for (target, body, headers, who, status) in cases {
                let packed = try GzipDeflater.deflate(body)
                let answer = try await server.ask("POST", target, as: who, body: packed, headers: headers)
                #expect(answer.status == status || answer.status == 201, "\(target): \(answer.status) \(answer.text)")
                for bad in [Array(packed.dropLast(5)), Array(packed.dropFirst(3)), body + [0]] {
                    let refused = try await server.ask("POST", target, as: who, body: bad, headers: headers)
                    #expect(refused.status == 400 && refused.text.contains("gzip"), "\(target): \(refused.text)")
                }
            }
            let snappy = try await server.ask(
                "POST", "/api/v1/write", as: "ingest@acme", body: SnappyBlock.compress([]),
                headers: ["Content-Encoding: snappy"])
            #expect(snappy.status == 204)
            for encoding in ["br", "zstd", "gzip, gzip"] {
                let unknown = try await server.ask(
                    "POST", "/write", as: "ingest@acme", body: [1], headers: ["Content-Encoding: \(encoding)"])
                #expect(unknown.status == 415, "\(encoding)")
            }
        }
    }

    @Test("what inflates beyond a route's bound is refused with 413")
    func bombs() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let deflater = try GzipDeflater(level: 9)
            let zeros = [UInt8](repeating: 0x20, count: 1 << 20)
            var bomb: [UInt8] = []
            for _ in 0..<80 { zeros.withUnsafeBytes { deflater.append($0, to: &bomb) } }
            deflater.finish(to: &bomb)
            for target in ["/api/v1/import/prometheus", "/write", "/api/v1/write", "/api/v1/otlp/v1/metrics"] {
                let type = target.contains("otlp") ? ["Content-Type: application/json"] : []
                let answer = try await server.ask(
                    "POST", target, as: "ingest@acme", body: bomb, headers: [Self.packed] + type)
                #expect(answer.status == 413, "\(target): \(answer.status)")
            }
            let query = try await server.ask(
                "POST", "/api/v1/query", as: "analyst@acme", body: bomb,
                headers: [Self.packed, "Content-Type: application/x-www-form-urlencoded"])
            #expect(query.status == 413 || query.status == 400, "\(query.status)")
        }
    }
}
