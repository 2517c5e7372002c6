import AgentCore
import Gzip
import Intake
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite("gzip at the intake server", .serialized, .ownThread)
struct CodingTests {
    private let event = #"{"id":"one","at":1767225600000,"track":"t"}"#
    private let sample = #"{"name":"m","value":1}"#
    private let counter =
        #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"plays","sum":{"isMonotonic":true,"#
        + #""aggregationTemporality":2,"dataPoints":[{"asInt":"5","timeUnixNano":"1767225600000000000"}]}}]}]}]}"#

    private func post(
        _ fixture: IntakeServerFixture, _ path: String, _ body: [UInt8], coding: String = "gzip"
    ) throws -> RawConnection.Answer? {
        let connection = try fixture.connect()
        let lines = [
            "POST \(path) HTTP/1.1", "Host: localhost", "Content-Type: application/json",
            "Content-Encoding: \(coding)", "Content-Length: \(body.count)",
        ]
        connection.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
        return connection.answer()
    }

    @Test("events, samples and OTLP under gzip are taken as they would be without")
    func taken() throws {
        let fixture = try IntakeServerFixture()
        for (path, body) in [
            ("/v1/events", event), ("/v1/metrics", sample), ("/v1/metrics", counter), ("/otlp/v1/metrics", counter),
        ] {
            let answer = try post(fixture, path, try GzipDeflater.deflate(Array(body.utf8)))
            #expect(answer?.status == 200, "\(path): \(answer?.body ?? "no answer")")
        }
        #expect(try post(fixture, "/v1/events", Array(event.utf8), coding: "identity")?.status == 200)
        let taken = fixture.submissions.withLock { $0 }
        #expect(taken.map(\.recordCount) == [1, 1, 1, 1, 1])
        #expect(
            taken.dropFirst().prefix(3).map { $0.metrics.first?.descriptor.key.name } == [
                "m", "plays_total", "plays_total",
            ])
    }

    @Test("what inflates too far is refused before it is held; as much as the bound is taken")
    func bomb() throws {
        let fixture = try IntakeServerFixture()
        let bound = 2 << 20
        let blanks = [UInt8](repeating: UInt8(ascii: " "), count: bound - event.utf8.count)
        let whole = try GzipDeflater.deflate(blanks + Array(event.utf8))
        #expect(try post(fixture, "/v1/events", whole)?.status == 200)
        let beyond = try GzipDeflater.deflate(blanks + Array(event.utf8) + [UInt8(ascii: " ")])
        #expect(try post(fixture, "/v1/events", beyond)?.status == 413)
        let bomb = try GzipDeflater.deflate([UInt8](repeating: 0, count: 100 << 20), level: 9)
        #expect(bomb.count < IntakeLimits.bodyBytesMax)
        let refused = try #require(try post(fixture, "/otlp/v1/metrics", bomb))
        #expect(refused.status == 413 && refused.body.contains("\(bound)"))
        #expect(fixture.submissions.withLock { $0.count } == 1)
    }

    @Test("a stream that is torn, damaged or no gzip at all is refused with a reason, and nothing of it is taken")
    func damage() throws {
        let fixture = try IntakeServerFixture()
        let packed = try GzipDeflater.deflate(Array((event + "\n" + event).utf8))
        for end in stride(from: 0, to: packed.count, by: 7) {
            let answer = try #require(try post(fixture, "/v1/events", Array(packed[..<end])))
            #expect(answer.status == 400 && answer.body.contains("ends too early"))
        }
        var flipped = packed
        flipped[packed.count - 6] ^= 1
        #expect(try post(fixture, "/v1/events", flipped)?.status == 400)
        #expect(try post(fixture, "/v1/metrics", Array(sample.utf8))?.status == 400)
        #expect(try post(fixture, "/v1/metrics", Array(sample.utf8), coding: "br")?.status == 415)
        #expect(fixture.submissions.withLock { $0.isEmpty })
    }
}
