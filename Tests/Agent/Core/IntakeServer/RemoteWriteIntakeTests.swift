import AgentCore
import Compression
import Interchange
import Sources
import Synchronization
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Remote write at a relay's intake", .serialized, .ownThread)
struct RemoteWriteIntakeTests {
    // The fixture's clock stands at 1767225600 s.
    private func body(_ series: Int = 3, at milliseconds: Int64 = 1_767_225_600_000) -> [UInt8] {
        var encoder = RemoteWriteEncoder(.one)
        for number in 0..<series {
            let key = SeriesKey(name: "m", labels: [Label("instance", "edge-\(number)")])
            encoder.add(key, timestamps: [milliseconds - 1000, milliseconds], values: [1, 2])
        }
        return encoder.finish()
    }

    private func post(
        _ fixture: IntakeServerFixture, _ body: [UInt8], _ headers: [String] = ["Content-Encoding: zstd"],
        to path: String = "/api/v1/write"
    ) throws -> RawConnection.Answer? {
        let connection = try fixture.connect()
        let lines = ["POST \(path) HTTP/1.1", "Host: localhost", "Content-Length: \(body.count)"] + headers
        connection.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
        return connection.answer()
    }

    @Test("a body under zstd and one as it is are handed over whole, and answered without content")
    func taken() throws {
        let fixture = try IntakeServerFixture(relay: "relay-eu")
        #expect(try post(fixture, ZstdCompressor().compress(body()))?.status == 204)
        #expect(try post(fixture, body(), [])?.status == 204)
        let type = "Content-Type: application/x-protobuf;proto=prometheus.WriteRequest"
        #expect(try post(fixture, body(), [type, "Content-Encoding: identity"])?.status == 204)
        let relayed = fixture.submissions.withLock { $0.map(\.relayed.series) }
        #expect(relayed.count == 3 && relayed.allSatisfy { $0 == relayed[0] } && relayed[0].count == 3)
        #expect(relayed[0][1].descriptor.key["instance"] == "edge-1")
        #expect(relayed[0][1].descriptor.key[SeriesKey.relayLabel] == "relay-eu")
        #expect(fixture.submissions.withLock { $0[0].recordCount } == 6)
        #expect(try fixture.connect().ask("GET", "/api/v1/write")?.status == 405)
    }

    @Test("an agent that is no relay takes nothing and says how to make one")
    func noRelay() throws {
        let fixture = try IntakeServerFixture()
        let answer = try #require(try post(fixture, body(), []))
        #expect(answer.status == 403 && answer.body.contains("enrol --relay"))
        #expect(fixture.submissions.withLock { $0.isEmpty })
    }

    @Test("what is not remote write 1.0 under zstd is refused with a reason, and so is what inflates too far")
    func refusals() throws {
        let fixture = try IntakeServerFixture(relay: "relay-eu")
        let snappy = try #require(try post(fixture, [1, 2, 3], ["Content-Encoding: snappy"]))
        #expect(snappy.status == 415 && snappy.body.contains("encoding: zstd"))
        let second = "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request"
        #expect(try post(fixture, body(), [second])?.status == 415)
        #expect(try post(fixture, [1, 2, 3])?.status == 400)
        #expect(try post(fixture, [0xff, 0xff], [])?.status == 400)
        let bomb = try ZstdCompressor().compress([UInt8](repeating: 0, count: (8 << 20) + 1))
        #expect(try post(fixture, bomb)?.status == 413)
        #expect(fixture.submissions.withLock { $0.isEmpty })
    }

    @Test("a body that is good in part is stored in part, and says what was not")
    func partly() throws {
        let fixture = try IntakeServerFixture(relay: "relay-eu")
        let late = try #require(try post(fixture, body(1, at: 1_767_225_600_000 + 300_500), []))
        #expect(late.status == 400 && late.body.contains("1 samples were not taken: a time more than 5 minutes ahead"))
        #expect(late.body.contains(#""accepted":1,"refused":1"#))
        #expect(fixture.submissions.withLock { $0.count } == 1)
        let nothing = try #require(try post(fixture, body(1, at: 1_767_300_000_000), []))
        #expect(nothing.status == 400 && fixture.submissions.withLock { $0.count } == 1)
        fixture.outcome.withLock { $0 = .committed(duplicates: 0, claimed: 2) }
        let full = try #require(try post(fixture, body(), []))
        #expect(full.status == 400 && full.body.contains("no room to name"))
    }

    @Test("blocks of events and findings are handed over whole; what is none, or no relay's, is refused")
    func records() throws {
        let fixture = try IntakeServerFixture(relay: "relay-eu")
        let now = Timestamp(milliseconds: 1_767_225_600_000)
        let event = ListeningEvent(id: "e1", kind: .play, at: now, receivedAt: now)
        var ahead = event
        ahead.at = now.advanced(byMilliseconds: 300_001)
        var finding = Finding(
            id: ID128(high: 0, low: 1), group: "cpu", since: now, score: 1, peakAt: now, anomalousCount: 1)
        let (events, findings) = ("/api/v1/relay/events", "/api/v1/relay/findings")
        let nobodys = try ZstdCompressor().compress(FindingBlock.encode([finding]))
        #expect(try post(fixture, nobodys, to: findings)?.status == 400)
        finding.source = Finding.Source(node: AgentID(unchecked: "edge-1"), region: "eu")
        let sourced = try ZstdCompressor().compress(FindingBlock.encode([finding]))
        #expect(try post(fixture, sourced, to: findings)?.status == 204)
        #expect(try post(fixture, EventBlock.encode([event]), [], to: events)?.status == 204)
        let partly = try post(fixture, ZstdCompressor().compress(EventBlock.encode([event, ahead])), to: events)
        #expect(partly?.status == 400 && partly?.body.contains("1 events are more than 5 minutes ahead") == true)
        let relayed = fixture.submissions.withLock { $0.map(\.relayed) }
        #expect(relayed.map(\.findings) == [[finding], [], []] && relayed.map(\.events) == [[], [event], [event]])
        for path in [events, findings] {
            #expect(try post(fixture, [0xff], [], to: path)?.status == 400)
            #expect(try fixture.connect().ask("GET", path)?.status == 405)
            #expect(try post(IntakeServerFixture(), nobodys, to: path)?.status == 403)
        }
        fixture.outcome.withLock { $0 = .overloaded }
        #expect(try post(fixture, EventBlock.encode([event]), [], to: events)?.status == 429)
    }

    @Test("a buffer without room is told so that the sender keeps what it has")
    func backpressure() throws {
        let fixture = try IntakeServerFixture(outcome: .overloaded, relay: "relay-eu")
        let busy = try #require(try post(fixture, body(), []))
        #expect(busy.status == 429 && busy.head.contains("Retry-After: 5"))
        fixture.outcome.withLock { $0 = .failed(reason: "the disk") }
        #expect(try post(fixture, body(), [])?.status == 503)
    }
}
