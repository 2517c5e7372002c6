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

@Suite("Live streams, findings, and the threads behind the routes") struct LiveRouteTests {
    static let load = SeriesKey(name: "node_load1", labels: [Label("job", "b")])
    static let up = SeriesKey(name: "up")

    @Test("the live stream shows the fleet, and the samples of the agent that is watched and of no other")
    func live() async throws {
        var tenant = FakeSources.Tenant()
        tenant.agents = [AgentSummary(agent: AgentID(unchecked: "n1"), state: .online)]
        try await TestServer([TestServer.acme: tenant]).run { server async throws in
            let (port, token) = (server.listeningPort, server.tokens["operator@acme"])
            let live = server.dependencies.live
            let agent = AgentID(unchecked: "n1")
            let series = [
                LiveSeries(
                    key: Self.load,
                    samples: [5, 6].map { Sample(timestamp: Timestamp(milliseconds: $0), value: 1.5) }, anomalies: [1]),
                LiveSeries(key: Self.up, samples: [Sample(timestamp: Timestamp(milliseconds: 5), value: 1)]),
            ]
            let text = try await server.blocking {
                let connection = try LoopbackConnection(port: port)
                try connection.send("GET", "/api/v1/live/stream?agent=n1", token: token)
                _ = try connection.read(until: "event: fleet\n")
                #expect(live.isWatched(agent, of: TestServer.acme) && !live.isWatched(agent, of: TestServer.other))
                live.publish([], of: agent, tenant: TestServer.acme)
                live.publish(series, of: agent, tenant: TestServer.other)
                live.publish(series, of: AgentID(unchecked: "n2"), tenant: TestServer.acme)
                live.publish(series, of: agent, tenant: TestServer.acme)
                return try connection.read(until: "event: samples\n")
            }
            #expect(text.contains("text/event-stream") && text.contains(#""agent":"n1","state":"online""#))
            #expect(
                text.contains(#"{"agent":"n1","series":[[{"__name__":"node_load1","job":"b"},[[5,1.5],[6,1.5,1]]]]}"#))
            #expect(!text.contains("n2"))
        }
    }

    @Test("a live stream ends with its token; a HEAD opens none")
    func liveEnds() async throws {
        try await TestServer().run { server async throws in
            let (port, token) = (server.listeningPort, server.tokens["operator@acme"])
            let (access, now, live) = (server.access, server.time.now, server.dependencies.live)
            #expect(try await server.ask("HEAD", "/api/v1/live/stream", as: "operator@acme").status == 200)
            #expect(live.counts.subscribers == 0)
            try await server.blocking {
                let connection = try LoopbackConnection(port: port)
                try connection.send("GET", "/api/v1/live/stream", token: token)
                _ = try connection.read(until: "event: fleet\n")
                let id = String((token ?? "").split(separator: "_")[1])
                try access.revokeToken(id, of: TestServer.acme, now: now)
                // The last chunk.
                _ = try connection.read(until: "\r\n0\r\n")
            }
        }
    }

    @Test("findings come as JSON, of the token's tenant only, and bad parameters are named")
    func findings() async throws {
        var tenant = FakeSources.Tenant()
        tenant.findings = [
            StoredFinding(
                agent: AgentID(unchecked: "n1"),
                finding: Finding(
                    id: ID128(high: 0, low: 1), group: "cpu", since: Timestamp(milliseconds: 1000), score: 0.5,
                    peakAt: Timestamp(milliseconds: 2000), anomalousCount: 7,
                    contributors: [Finding.Contributor(key: Self.load, share: 1)],
                    shape: Finding.Shape(
                        start: Timestamp(milliseconds: 0), stepMilliseconds: 1000, values: [1, .nan])))
        ]
        try await TestServer([TestServer.acme: tenant]).run { server async throws in
            let answer = try await server.ask("GET", "/api/v1/findings?state=open&limit=5", as: "analyst@acme")
            #expect(answer.status == 200)
            let expected =
                #"{"id":"00000000000000000000000000000001","agent":"n1","origin":"node","group":"cpu","state":"open","#
                + #""since":"1970-01-01T00:00:01.000Z","until":null,"score":0.5,"peak":"1970-01-01T00:00:02.000Z","#
                + #""anomalous_samples":7,"contributors":[{"labels":{"__name__":"node_load1","job":"b"},"share":1}],"#
                + #""shape":{"start":"1970-01-01T00:00:00.000Z","step_milliseconds":1000,"values":[1,null]},"rule":null,"#
                + #""fleet":[],"region":"","relay":null,"over":[]}"#
            #expect(answer.text.contains(expected), "\(answer.text)")
            #expect(
                try await server.ask("GET", "/api/v1/findings", as: "analyst@other").text.contains(#""findings":[]"#))
            for query in ["state=ajar", "limit=0", "limit=x", "agent=A%20b", "start=x"] {
                #expect(
                    try await server.ask("GET", "/api/v1/findings?\(query)", as: "analyst@acme").status == 400,
                    "\(query)")
            }
        }
    }

    private final class Running: Sendable {
        private let state = Mutex((now: 0, most: 0, done: 0))
        var counts: (now: Int, most: Int, done: Int) { state.withLock { $0 } }
        func enter() {
            state.withLock { state in
                state.now += 1
                state.most = max(state.most, state.now)
            }
        }
        func leave() {
            state.withLock { state in
                state.now -= 1
                state.done += 1
            }
        }
    }

    @Test("of one tenant's jobs at most half of the threads are taken, and all get done")
    func shares() async throws {
        let pool = BlockingPool(threads: 4)
        let running = Running()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    try await pool.run(for: TestServer.acme) {
                        running.enter()
                        sched_yield()
                        running.leave()
                    }
                }
            }
            try await group.waitForAll()
        }
        let (now, most, done) = running.counts
        #expect(now == 0 && most <= 2 && done == 100)
        // More than can wait is refused, and what was refused is not counted as running.
        let gate = BoundedQueue<Int>(itemsMax: 2)
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<300 {
                group.addTask {
                    (try? await pool.run(for: TestServer.other) { _ = gate.pop(max: 1, waitMilliseconds: 20_000) })
                        != nil
                }
            }
            var outcomes: [Bool] = []
            for await outcome in group {
                outcomes.append(outcome)
                // The first that end are the refused ones; then the gate opens.
                if outcomes.count == 300 - BlockingPool.waitingMax - 2 { gate.close() }
            }
            return outcomes
        }
        #expect(outcomes.count { $0 } == BlockingPool.waitingMax + 2)
        #expect(try await pool.run(for: TestServer.other) { true })
    }
}
