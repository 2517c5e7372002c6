import AgentCore
import Intake
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite("OTLP at the intake server", .serialized, .ownThread)
struct OTLPIntakeTests {
    private static let json = "Content-Type: application/json"
    // The fixture's clock stands at 1767225600 s.
    private let counter =
        #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"plays","sum":{"isMonotonic":true,"#
        + #""aggregationTemporality":2,"dataPoints":[{"asInt":"5","timeUnixNano":"1767225600000000000"}]}}]}]}]}"#

    @Test(
        "its own path and ours take it; a delta is a partial success", arguments: ["/v1/metrics", "/otlp/v1/metrics"])
    func taken(path: String) throws {
        let fixture = try IntakeServerFixture()
        let answer = try #require(try fixture.connect().ask("POST", path, " \(counter)", [Self.json]))
        #expect(answer.status == 200 && answer.body == "{}")
        #expect(answer.head.contains("Content-Type: application/json"))
        #expect(fixture.submissions.withLock { $0.first?.metrics.first?.descriptor.key.name } == "plays_total")
        let delta = counter.replacing(#""aggregationTemporality":2"#, with: #""aggregationTemporality":1"#)
        let partial = try #require(try fixture.connect().ask("POST", path, delta, [Self.json]))
        #expect(partial.status == 200 && partial.body.contains(#""rejectedDataPoints":"1""#))
        #expect(fixture.submissions.withLock { $0.count } == 1)
    }

    @Test("an empty protobuf request is answered with an empty one")
    func protobuf() throws {
        let fixture = try IntakeServerFixture()
        let kind = "Content-Type: application/x-protobuf"
        let answer = try #require(try fixture.connect().ask("POST", "/v1/metrics", "", [kind]))
        #expect(answer.status == 200 && answer.body.isEmpty && answer.head.contains(kind))
    }

    @Test("our own samples still go by the same path")
    func own() throws {
        let fixture = try IntakeServerFixture()
        let answer = try #require(
            try fixture.connect().ask("POST", "/v1/metrics", #"{"name":"m","value":1}"#, [Self.json]))
        #expect(answer.status == 200 && answer.body.hasPrefix(#"{"accepted":1"#))
    }

    @Test("what cannot be taken says why")
    func refusals() throws {
        let fixture = try IntakeServerFixture(outcome: .overloaded)
        let deflate = [Self.json, "Content-Encoding: deflate"]
        #expect(try fixture.connect().ask("POST", "/otlp/v1/metrics", counter, deflate)?.status == 415)
        #expect(try fixture.connect().ask("POST", "/otlp/v1/metrics", counter, ["Content-Type: text/x"])?.status == 415)
        #expect(try fixture.connect().ask("POST", "/otlp/v1/metrics", "{", [Self.json])?.status == 400)
        #expect(try fixture.connect().ask("GET", "/otlp/v1/metrics")?.status == 405)
        let busy = try #require(try fixture.connect().ask("POST", "/otlp/v1/metrics", counter, [Self.json]))
        #expect(busy.status == 429 && busy.head.contains("Retry-After"))
    }
}
