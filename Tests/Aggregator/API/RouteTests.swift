import API
import Access
import Glibc
import RuntimeSupport
import Sealing
import Store
import Synchronization
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Routes") struct RouteTests {
    static let start: Int64 = 1_767_225_600_000 - 3_000_000
    static let up = SeriesKey(name: "up", labels: [Label("job", "a"), Label("note", "x,\"y\"")])
    static let load = SeriesKey(name: "node_load1", labels: [Label("job", "b")])

    static var tenant: FakeSources.Tenant {
        var tenant = FakeSources.Tenant()
        tenant.series = [up, load].map { key in
            (key, (0..<3).map { Sample(timestamp: Timestamp(milliseconds: start + 1000 * $0), value: Double($0) / 2) })
        }
        tenant.series[1].samples[1].value = .nan
        var event = ListeningEvent(
            id: "e1", kind: .play, at: Timestamp(milliseconds: start), receivedAt: Timestamp(milliseconds: start + 5))
        event[.title] = "=Song, \"live\""
        event[.millisecondsPlayed] = 31_000
        let save = ListeningEvent(
            id: "e2", kind: .save, at: Timestamp(milliseconds: start), receivedAt: Timestamp(milliseconds: start))
        tenant.events = [event, save]
        return tenant
    }

    @Test("series, labels and values answer as Prometheus's API does")
    func listings() async throws {
        try await TestServer([TestServer.acme: Self.tenant]).run { server async throws in
            let series = try await server.ask(
                "GET", "/api/v1/series?match[]=up&match[]=%7Bjob%3D%22a%22%7D", as: "analyst@acme")
            #expect(series.text == #"{"status":"success","data":[{"__name__":"up","job":"a","note":"x,\"y\""}]}"#)
            let labels = try await server.ask("GET", "/api/v1/labels", as: "analyst@acme")
            #expect(labels.text == #"{"status":"success","data":["__name__","job","note"]}"#)
            let values = try await server.ask("GET", "/api/v1/label/job/values?match[]=node_load1", as: "analyst@acme")
            #expect(values.text == #"{"status":"success","data":["b"]}"#)
            #expect(
                values.headers["cache-control"] == "no-store" && values.headers["x-content-type-options"] == "nosniff")
            let empty = try await server.ask("GET", "/api/v1/labels?start=0&end=1", as: "analyst@acme")
            #expect(empty.text == #"{"status":"success","data":[]}"#)
        }
    }

    @Test("an export holds each series once, as JSON lines or CSV, with known gaps marked")
    func export() async throws {
        var tenant = Self.tenant
        tenant.gaps = [
            Gap(
                agent: AgentID(unchecked: "n1"), laneKey: LaneKey(epoch: .zero, lane: .live), sequences: 3...4,
                count: LedgerCount(batches: 2, records: 20), reason: .declared(.bufferFull),
                at: Timestamp(milliseconds: Self.start), from: Timestamp(milliseconds: Self.start + 500),
                through: Timestamp(milliseconds: Self.start + 700))
        ]
        let start = Self.start
        try await TestServer([TestServer.acme: tenant]).run { server async throws in
            let query = "match[]=up&match[]=%7Bjob%3D~%22a|b%22%7D&start=\(start / 1000)"
            let lines = try await server.ask("GET", "/api/v1/export?\(query)", as: "operator@acme")
            #expect(lines.isComplete && lines.headers["content-type"] == "application/x-ndjson")
            #expect(
                lines.text == """
                    {"gap":{"agent":"n1","reason":"buffer-full","from":\(start + 500),"through":\(start + 700),"batches":2,"records":20}}
                    {"metric":{"__name__":"up","job":"a","note":"x,\\"y\\""},"timestamps":[\(start),\(start + 1000),\(start + 2000)],"values":[0,0.5,1]}
                    {"metric":{"__name__":"node_load1","job":"b"},"timestamps":[\(start),\(start + 1000),\(start + 2000)],"values":[0,"NaN",1]}

                    """)
            let csv = try await server.ask("GET", "/api/v1/export?match[]=up&format=csv", as: "operator@acme")
            #expect(csv.headers["content-type"] == "text/csv; charset=utf-8")
            let rows = csv.text.replacing("\r\n", with: "\n").split(separator: "\n")
            #expect(rows.count == 5 && rows[0] == "timestamp_ms,value,series,gap_reason,gap_through_ms")
            #expect(rows[1] == #"\#(start + 500),,"{instance=""n1""}",buffer-full,\#(start + 700)"#)
            #expect(rows[3] == #"\#(start + 1000),0.5,"up{job=""a"",note=""x,\""y\""""}",,"#)
        }
    }

    @Test("an export that breaks on the way is visibly not whole")
    func brokenExport() async throws {
        var tenant = Self.tenant
        tenant.failsAfterSeries = 1
        try await TestServer([TestServer.acme: tenant]).run { server async throws in
            let answer = try? await server.ask(
                "GET", "/api/v1/export?match[]=%7Bjob%3D~%22.%2B%22%7D", as: "operator@acme")
            #expect(answer?.isComplete != true)
        }
    }

    @Test("events are exported with the names that the intake takes, and formulas are disarmed")
    func events() async throws {
        try await TestServer([TestServer.acme: Self.tenant]).run { server async throws in
            let lines = try await server.ask("GET", "/api/v1/events/export?kind=play", as: "analyst@acme")
            #expect(
                lines.text == """
                    {"id":"e1","kind":"play","revision":0,"at":"2025-12-31T23:10:00.000Z","received_at":"2025-12-31T23:10:00.005Z","title":"=Song, \\"live\\"","ms_played":31000}

                    """)
            let csv = try await server.ask("GET", "/api/v1/events/export?format=csv", as: "analyst@acme")
            #expect(csv.text.contains("\"'=Song, \"\"live\"\"\""))
            #expect(csv.text.split(separator: "\r\n").count == 3)
            let unknown = try await server.ask("GET", "/api/v1/events/export?kind=plays", as: "analyst@acme")
            #expect(unknown.status == 400 && unknown.text.contains("playlist_add"))
        }
    }

    @Test("what is wrong is told as problem details with a stable type")
    func problems() async throws {
        try await TestServer().run { server async throws in
            func check(
                _ method: String, _ target: String, _ who: String?, _ status: Int, _ type: String, _ detail: String,
                body: String = ""
            ) async throws {
                let answer = try await server.ask(method, target, as: who, text: body)
                #expect(answer.status == status && answer.headers["content-type"] == "application/problem+json")
                #expect(answer.text.contains("urn:stagebox:problem:\(type)\""), "\(answer.text)")
                #expect(answer.text.contains(detail), "\(answer.text)")
            }
            try await check(
                "GET", "/api/v1/export?match[]=up&format=xml", "analyst@acme", 400, "invalid-request", "jsonl, csv")
            try await check(
                "GET", "/api/v1/agents?state=asleep", "operator@acme", 400, "invalid-request", "online, stale")
            try await check("GET", "/api/v1/agents?x=%zz", "operator@acme", 400, "invalid-request", "percent")
            try await check("GET", "/api/v1/nothing", "admin@acme", 404, "not-found", "path")
            try await check("GET", "/../../etc/passwd", nil, 404, "not-found", "path")
            try await check("GET", "/api/v1/agents", nil, 401, "unauthenticated", "Bearer")
            try await check("GET", "/api/v1/ledger", "analyst@acme", 403, "forbidden", "admin or operator")
            try await check(
                "POST", "/api/v1/admin/tokens", "admin@acme", 400, "invalid-request", "role is missing", body: "{}")
            try await check(
                "POST", "/api/v1/admin/tokens", "admin@acme", 400, "invalid-request", "unknown member",
                body: #"{"rule":"x"}"#)
            try await check("POST", "/api/v1/admin/tokens", "admin@acme", 400, "invalid-request", "JSON", body: "{")
            try await check(
                "POST", "/api/v1/admin/tokens", "admin@acme", 413, "payload-too-large", "limit",
                body: String(repeating: " ", count: 20_000))
            try await check("POST", "/api/v1/enrol", nil, 400, "invalid-request", "enrolment request", body: "x")
            let unauthorized = try await server.ask("GET", "/api/v1/agents")
            #expect(unauthorized.headers["www-authenticate"] == "Bearer realm=\"stagebox\"")
        }
    }

    @Test("health, readiness and own metrics")
    func health() async throws {
        try await TestServer().run { server async throws in
            #expect(try await server.ask("GET", "/healthz").status == 200)
            #expect(try await server.ask("GET", "/readyz").status == 200)
            server.readiness.withLock { $0.problems = ["the broker is not connected"] }
            let waiting = try await server.ask("GET", "/readyz")
            #expect(waiting.status == 503 && waiting.text.contains("the broker is not connected"))
            #expect(waiting.headers["retry-after"] == "5")
            let metrics = try await server.ask("GET", "/metrics")
            #expect(metrics.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
            #expect(
                metrics.text.contains("# TYPE stagebox_http_requests counter\n") && metrics.text.hasSuffix("# EOF\n"))
            #expect(try await server.ask("HEAD", "/healthz").status == 200)
        }
    }

    @Test("the ledger says whether it balances and what is missing")
    func ledger() async throws {
        var tenant = FakeSources.Tenant()
        let lane = LaneKey(epoch: ID128(high: 1, low: 2), lane: .live)
        tenant.ledger = [
            LedgerLine(
                agent: AgentID(unchecked: "a"), laneKey: lane, produced: LedgerCount(batches: 10, records: 100),
                committed: LedgerCount(batches: 7, records: 70),
                rejected: [(.tooOld, LedgerCount(batches: 1, records: 10))],
                dropped: [(.bufferFull, LedgerCount(batches: 2, records: 20))])
        ]
        try await TestServer([TestServer.acme: tenant]).run { server async throws in
            let balanced = try await server.ask("GET", "/api/v1/ledger", as: "operator@acme")
            #expect(balanced.text.contains(#""balanced":true,"unbalanced_lanes":0"#))
            #expect(balanced.text.contains(#""rejected":{"too-old":{"batches":1,"records":10}}"#))
            server.sources.update(TestServer.acme) { $0.ledger[0].produced.batches += 3 }
            let missing = try await server.ask("GET", "/api/v1/ledger?agent=a", as: "operator@acme")
            #expect(missing.text.contains(#""balanced":false,"unbalanced_lanes":1"#))
            #expect(missing.text.contains(#""missing":{"batches":3,"records":0}"#))
            let nobody = try await server.ask("GET", "/api/v1/ledger?agent=b", as: "operator@acme")
            #expect(nobody.text.contains(#""lanes":[]"#))
        }
    }

    @Test("a token made over HTTP works, is listed without its secret, and ends when revoked")
    func tokens() async throws {
        try await TestServer().run { server async throws in
            let made = try await server.ask(
                "POST", "/api/v1/admin/tokens", as: "admin@acme",
                text: #"{"role":"operator","name":"grafana","expires_in_seconds":60}"#)
            #expect(made.status == 201)
            let token = try #require(made.text.split(separator: "\"").first { $0.hasPrefix("sbx_") })
            #expect(try await server.ask("GET", "/api/v1/agents", as: String(token)).status == 200)
            let list = try await server.ask("GET", "/api/v1/admin/tokens", as: "admin@acme")
            #expect(list.text.contains("grafana") && !list.text.contains(String(token)))
            let id = try #require(token.split(separator: "_").dropFirst().first)
            #expect(try await server.ask("DELETE", "/api/v1/admin/tokens/\(id)", as: "admin@acme").status == 204)
            #expect(try await server.ask("GET", "/api/v1/agents", as: String(token)).status == 401)
        }
    }

    @Test("an agent enrols over HTTP, and a flood from one address is held off")
    func enrolment() async throws {
        try await TestServer().run { server async throws in
            let made = try await server.ask(
                "POST", "/api/v1/admin/enrolments", as: "admin@acme", text: #"{"agent":"node-1","region":"eu"}"#)
            #expect(made.status == 201)
            let text = try #require(made.text.split(separator: "\"").first { $0.hasPrefix("sbx1-") })
            let token = try EnrolmentToken(text: String(text))
            let identity = SigningKey()
            let request = EnrolmentRequest(
                tokenID: token.id, secret: token.secret, identityKey: identity.publicKey.id,
                boxKey: BoxKeyPair().publicKey)
            let body = SignedRecord.sign(.enrolmentRequest, record: request, with: identity)
            let answer = try await server.ask("POST", "/api/v1/enrol", body: body)
            #expect(answer.status == 200)
            let response = try EnrolmentResponse(decoding: answer.body)
            #expect(response.tenant == TestServer.acme && response.agent.rawValue == "node-1")
            var statuses: [Int] = []
            for _ in 0..<12 { statuses.append(try await server.ask("POST", "/api/v1/enrol", body: [1]).status) }
            #expect(statuses.first == 400 && statuses.last == 429)
            #expect(try await server.ask("DELETE", "/api/v1/admin/agents/node-1", as: "admin@acme").status == 204)
            #expect(try await server.ask("DELETE", "/api/v1/admin/agents/node-1", as: "admin@acme").status == 204)
        }
    }

    @Test("a manifest is handed on with its tenant, anything else is refused")
    func manifests() async throws {
        try await TestServer().run { server async throws in
            let manifest = Manifest(
                scope: .agent(AgentID(unchecked: "a")), version: 7, previousHash: .zero, notBefore: server.time.now,
                expiresAt: server.time.now, body: "x: 1")
            let record = SignedRecord.sign(.manifest, tenant: TestServer.acme, record: manifest, with: SigningKey())
            let answer = try await server.ask("POST", "/api/v1/admin/config", as: "admin@acme", body: record)
            #expect(answer.status == 202 && answer.text == #"{"version":7}"#)
            #expect(server.published.withLock { $0.map(\.tenant) } == [TestServer.acme])
            #expect(try await server.ask("POST", "/api/v1/admin/config", as: "admin@acme", body: [1, 2]).status == 400)
        }
    }

    @Test("pages come with a content security policy, and nothing outside the folder can be had")
    func pages() async throws {
        let root = try TemporaryDirectory("web")
        try root.write("<!doctype html>", to: "web/index.html")
        try root.write("let a", to: "web/app.js")
        try root.write("secret", to: "secret.html")
        try await TestServer(webRoot: root.file("web")).run { server async throws in
            for path in ["/", "/index.html"] {
                let page = try await server.ask("GET", path)
                #expect(page.text == "<!doctype html>" && page.headers["content-type"] == "text/html; charset=utf-8")
                #expect(page.headers["content-security-policy"]?.contains("default-src 'none'") == true)
                let tag = try #require(page.headers["etag"])
                #expect(try await server.ask("GET", path, headers: ["If-None-Match: \(tag)"]).status == 304)
            }
            #expect(
                try await server.ask("GET", "/app.js").headers["content-type"]?.hasPrefix("text/javascript") == true)
            for path in [
                "/../secret.html", "/%2e%2e/secret.html", "/..%2fsecret.html", "//secret.html", "/secret.html",
            ] {
                #expect(try await server.ask("GET", path).status == 404, "\(path)")
            }
        }
        #expect(throws: Problem.self) { _ = try TestServer(webRoot: root.file("nowhere")).router() }
    }

    @Test("beyond loopback there is no listener without TLS")
    func noPlainText() throws {
        let server = try TestServer()
        #expect(throws: Problem.self) { try server.application(host: "0.0.0.0") }
    }

    @Test("TLS 1.3 is spoken and nothing older", .enabled(if: Files.isExecutable("/usr/bin/openssl")))
    func tls() async throws {
        try await TestServer(tls: true).run { server async throws in
            let port = server.listeningPort
            let authority = server.directory.file("tls/ca.pem")
            for (version, expected) in [("-tls1_3", true), ("-tls1_2", false)] {
                let output = server.directory.file("s_client\(version)")
                let code = try await server.blocking {
                    try ProcessUnderTest(
                        [
                            "/usr/bin/openssl", "s_client", "-connect", "127.0.0.1:\(port)", version, "-CAfile",
                            authority,
                            "-verify_return_error", "-verify_ip", "127.0.0.1",
                        ], output: output
                    ).wait()
                }
                #expect((code == .code(0)) == expected, "\(version): \(code) \((try? Files.text(output)) ?? "")")
            }
        }
    }
}
