import API
import Interchange
import Snappy
import Store
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite("Routes as Prometheus has them") struct PrometheusRouteTests {
    private static let tenants = [TestServer.acme: RouteTests.tenant]
    private static let form = ["Content-Type: application/x-www-form-urlencoded"]

    @Test("queries answer alike by GET and by a form")
    func queries() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let start = RouteTests.start / 1000
            let expected =
                #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","#
                + #""job":"a","note":"x,\"y\""},"value":[\#(start + 2),"1"]}]}}"#
            let byURL = try await server.ask("GET", "/api/v1/query?query=up&time=\(start + 2)", as: "analyst@acme")
            #expect(byURL.text == expected)
            let byForm = try await server.ask(
                "POST", "/api/v1/query", as: "operator@acme", body: Array("query=up&time=\(start + 2)".utf8),
                headers: Self.form)
            #expect(byForm.text == expected)
            let range = try await server.ask(
                "GET", "/api/v1/query_range?query=up*2&start=\(start)&end=\(start + 2)&step=1", as: "analyst@acme")
            #expect(range.text.contains(#""values":[[\#(start),"0"],[\#(start + 1),"1"],[\#(start + 2),"2"]]"#))
            let pretty = try await server.ask("GET", "/api/v1/format_query?query=sum(up)by(job)", as: "analyst@acme")
            #expect(pretty.text == #"{"status":"success","data":"sum by (job) (up)"}"#)
            let tree = try await server.ask("GET", "/api/v1/parse_query?query=1", as: "analyst@acme")
            #expect(tree.text == #"{"status":"success","data":{"type":"numberLiteral","val":"1"}}"#)
            let build = try await server.ask("GET", "/api/v1/status/buildinfo", as: "analyst@acme")
            #expect(build.status == 200 && build.text.contains("stagebox"))
            let tsdb = try await server.ask("GET", "/api/v1/status/tsdb", as: "analyst@acme")
            #expect(tsdb.text.contains(#""numSeries":2"#))
        }
    }

    @Test("errors have Prometheus's form, types and codes")
    func errors() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let cases: [(String, Int, String, String)] = [
                ("/api/v1/query", 400, "bad_data", "query"),
                ("/api/v1/query?query=up%5B", 400, "bad_data", "parse error"),
                ("/api/v1/query?query=up&time=x", 400, "bad_data", "time"),
                ("/api/v1/query_range?query=up&start=0&end=1&step=0", 400, "bad_data", "positive"),
                ("/api/v1/query_range?query=up&start=0&end=90000000&step=1", 400, "bad_data", "11,000"),
                ("/api/v1/query_range?query=up&start=2&end=1&step=1", 400, "bad_data", "before start"),
                ("/api/v1/query?query=up&max_source_resolution=x", 400, "bad_data", "max_source_resolution"),
                ("/api/v1/query?query=up&max_source_resolution=-5m", 400, "bad_data", "max_source_resolution"),
                ("/api/v1/series", 400, "bad_data", "match[]"),
                ("/api/v1/series?match[]=up%7B", 400, "bad_data", "1:4: parse error"),
                ("/api/v1/labels?start=yesterday", 400, "bad_data", "start"),
                ("/api/v1/labels?start=9&end=8", 400, "bad_data", "before start"),
            ]
            for (target, status, type, detail) in cases {
                let answer = try await server.ask("GET", target, as: "analyst@acme")
                #expect(answer.status == status, "\(target): \(answer.text)")
                #expect(answer.text.hasPrefix(#"{"status":"error","errorType":"\#(type)","error":""#), "\(answer.text)")
                #expect(answer.text.contains(detail), "\(answer.text)")
            }
        }
    }

    @Test("pushes beyond the tenant's rate are answered 429 with when to come again, a full queue 503")
    func refusedPushes() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let bodies: [(path: String, body: [UInt8], type: String)] = [
                ("/api/v1/import/prometheus", Array("up 1\n".utf8), "text/plain"),
                ("/write", Array("m v=1\n".utf8), "text/plain"),
                ("/api/v1/write", SnappyBlock.compress(Self.remoteWriteBody), "application/x-protobuf"),
            ]
            for (path, body, type) in bodies {
                server.sources.refusal.withLock { $0 = .rate(perSecond: 10, afterSeconds: 7) }
                let limited = try await server.ask(
                    "POST", path, as: "ingest@acme", body: body, headers: ["Content-Type: \(type)"])
                #expect(limited.status == 429 && limited.headers["retry-after"] == "7", "\(path): \(limited.text)")
                #expect(limited.text.contains("samples-per-second in limits.conf"))
                server.sources.refusal.withLock { $0 = .busy }
                let busy = try await server.ask(
                    "POST", path, as: "ingest@acme", body: body, headers: ["Content-Type: \(type)"])
                #expect(busy.status == 503 && busy.headers["retry-after"] == "1", "\(path): \(busy.text)")
                server.sources.refusal.withLock { $0 = nil }
                let stored = try await server.ask(
                    "POST", path, as: "ingest@acme", body: body, headers: ["Content-Type: \(type)"])
                #expect(stored.status == 204, "\(path): \(stored.text)")
            }
        }
    }

    static var remoteWriteBody: [UInt8] {
        var encoder = RemoteWriteEncoder(.one)
        encoder.add(SeriesKey(name: "up"), timestamps: [RouteTests.start], values: [1])
        return encoder.finish()
    }

    @Test("queries beyond the tenant's bound are refused at once, with the bound's name")
    func limitedQueries() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            server.sources.limited.withLock { $0.queries = 0 }
            for target in ["/api/v1/query?query=up", "/federate?match[]=up"] {
                let answer = try await server.ask("GET", target, as: "analyst@acme")
                #expect(answer.status == 503 && answer.headers["retry-after"] == "1", "\(answer.text)")
                #expect(answer.text.contains("queries in limits.conf"))
            }
        }
    }

    @Test("deleted samples are gone when the answer comes; deletions are for administrators")
    func deletion() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            let target = "/api/v1/admin/tsdb/delete_series"
            let refused = try await server.ask("POST", target + "?match[]=up", as: "analyst@acme")
            #expect(refused.status == 403)
            let missing = try await server.ask("POST", target, as: "admin@acme")
            #expect(missing.status == 400 && missing.text.contains("match[]"))
            let start = RouteTests.start / 1000
            let answer = try await server.ask(
                "POST", target, as: "admin@acme", body: Array("match[]=up&start=\(start + 2)".utf8), headers: Self.form)
            #expect(answer.status == 204 && answer.text.isEmpty)
            let left = try await server.ask("GET", "/api/v1/query?query=up[1h]&time=\(start + 9)", as: "analyst@acme")
            #expect(left.text.contains("[\(start + 1),") && !left.text.contains("[\(start + 2),"), "\(left.text)")
            let cleaned = try await server.ask("POST", "/api/v1/admin/tsdb/clean_tombstones", as: "admin@acme")
            #expect(cleaned.status == 204)
        }
    }

    @Test("pushed bodies are stored as far as they are good, and the answer says what was not")
    func pushes() async throws {
        try await TestServer(Self.tenants).run { server async throws in
            func push(_ target: String, _ body: [UInt8], _ headers: [String] = []) async throws -> LoopbackAnswer {
                try await server.ask("POST", target, as: "ingest@acme", body: body, headers: headers)
            }
            let text = try await push("/api/v1/import/prometheus", Array("a 1\nb{c=\"d\"} 2 5000\n".utf8))
            #expect(text.status == 204)
            let late = try await push("/api/v1/import/prometheus", Array("a 1 -5\nb 2 5000\n".utf8))
            #expect(late.status == 400 && late.text.contains("1 samples older"))
            let bad = try await push("/api/v1/import/prometheus", Array("a 1\nb{\n".utf8))
            #expect(bad.status == 400 && bad.text.contains("line 2"))
            let influx = try await push("/write?precision=ms", Array("m,t=1 f=1,g=2i 1000".utf8))
            #expect(influx.status == 204)
            let precision = try await push("/write?precision=days", Array("m f=1".utf8))
            #expect(precision.status == 400 && precision.text.contains("precision"))
            let damaged = try await push("/api/v1/write", [1, 2, 3])
            #expect(damaged.status == 400 && damaged.text.contains("snappy"))
            let unknown = try await push("/api/v1/write", [], ["Content-Type: text/plain"])
            #expect(unknown.status == 415)
            let empty = try await push("/api/v1/write", SnappyBlock.compress([]))
            #expect(empty.status == 204)
            #expect(server.sources.counts.all.withLock { $0 } == [2, 1, 2])
        }
    }
}
