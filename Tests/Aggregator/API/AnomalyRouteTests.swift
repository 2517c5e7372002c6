import API
import Detection
import Store
import Synchronization
import Telemetry
import Testing

@Suite("Anomalies over HTTP") struct AnomalyRouteTests {
    private static let id = ID128(high: 0, low: 9)

    private func tenant() -> FakeSources.Tenant {
        var tenant = FakeSources.Tenant()
        let rise = RateRise(
            within: RateRise.Count(seen: 60, happened: 30), before: RateRise.Count(seen: 240, happened: 12))
        tenant.anomalies.series = [.init(name: LiveRouteTests.load, rise: rise)]
        tenant.anomalies.nodes = [.init(name: AgentID(unchecked: "n1"), rise: rise)]
        tenant.anomalies.metrics = [.init(name: "node_load1", rise: rise)]
        tenant.anomalies.groups = [.init(name: .cpu, rise: rise)]
        tenant.anomalies.slot = 10_000
        tenant.anomalies.seriesCount = 7
        let finding = Finding(
            id: Self.id, group: "cpu", since: Timestamp(seconds: 1000), until: Timestamp(seconds: 2000), score: 1,
            peakAt: Timestamp(seconds: 1500), anomalousCount: 3)
        tenant.findings = [StoredFinding(agent: AgentID(unchecked: "n1"), finding: finding)]
        return tenant
    }

    @Test("the ranking comes as JSON, for a window, a selector, or the time around a finding")
    func ranking() async throws {
        try await TestServer([TestServer.acme: tenant()]).run { server async throws in
            let answer = try await server.ask(
                "GET", "/api/v1/anomalies?start=100&end=400&match[]=node_load1&limit=3", as: "analyst@acme")
            #expect(answer.status == 200, "\(answer.text)")
            let figures = #""rate":0.5,"rate_before":0.05}"#
            #expect(answer.text.contains(#""slot_milliseconds":10000,"series_seen":7"#))
            #expect(answer.text.contains(#""series":[{"labels":{"__name__":"node_load1","job":"b"},"score":8.03"#))
            for name in [#""agent":"n1""#, #""metric":"node_load1""#, #""group":"cpu""#] {
                #expect(answer.text.contains("[{\(name),\"score\":8.03"), "\(name)")
            }
            #expect(answer.text.contains(figures))
            let asked = try #require(server.sources.lastAnomalyQuery.withLock { $0 })
            #expect(asked.window == Timestamp(seconds: 100)...Timestamp(seconds: 400) && asked.limit == 3)
            #expect(asked.selectors == [[.equal("__name__", "node_load1")]])

            _ = try await server.ask("GET", "/api/v1/anomalies?finding=\(Self.id)", as: "analyst@acme")
            let around = try #require(server.sources.lastAnomalyQuery.withLock { $0 })
            #expect(around.window == Timestamp(seconds: 940)...Timestamp(seconds: 2060))
        }
    }

    @Test("bad parameters are named, and nobody sees another tenant's")
    func refusals() async throws {
        try await TestServer([TestServer.acme: tenant()]).run { server async throws in
            for query in ["limit=0", "finding=x", "match[]=%7B", "start=5&end=1"] {
                #expect(
                    try await server.ask("GET", "/api/v1/anomalies?\(query)", as: "analyst@acme").status == 400,
                    "\(query)")
            }
            let target = "/api/v1/anomalies?finding=\(Self.id)"
            #expect(try await server.ask("GET", target, as: "analyst@other").status == 404)
            #expect(try await server.ask("GET", target).status == 401)
        }
    }
}
