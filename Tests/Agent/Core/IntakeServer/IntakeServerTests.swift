import AgentCore
import Glibc
import Intake
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite("The intake server", .serialized, .ownThread)
struct IntakeServerTests {
    private let event = #"{"id":"a","at":1767225600000,"track":"t"}"#

    @Test("events are answered once the engine has committed them")
    func events() throws {
        let fixture = try IntakeServerFixture(outcome: .committed(duplicates: 1))
        let answer = try #require(try fixture.connect().ask("POST", "/v1/events", "[\(event),\(event),{}]"))
        #expect(answer.status == 200)
        #expect(answer.body.hasPrefix(#"{"accepted":1,"duplicates":1,"rejected":[{"index":2,"field":"id","reason":"#))
        #expect(fixture.submissions.withLock { $0.first?.events.count } == 2)
    }

    @Test("nothing is answered before the engine's word")
    func waits() throws {
        let fixture = try IntakeServerFixture(outcome: nil)
        let connection = try fixture.connect()
        connection.send(RawConnection.request("POST", "/v1/events", event))
        let other = try fixture.connect()
        while fixture.submissions.withLock({ $0.isEmpty }) { #expect(other.ask("GET", "/healthz")?.status == 200) }
        fixture.replyToAll(.failed(reason: "the disk is full"))
        let answer = try #require(connection.answer())
        #expect(answer.status == 503 && answer.body.contains("the disk is full"))
    }

    @Test("a full queue is a 429 with Retry-After, whether the server's or the engine's")
    func backpressure() throws {
        let fixture = try IntakeServerFixture(outcome: nil) { $0.recordsMax = 2 }
        let first = try fixture.connect()
        first.send(RawConnection.request("POST", "/v1/events", "[\(event),\(event),\(event)]"))
        let second = try fixture.connect()
        while fixture.submissions.withLock({ $0.isEmpty }) { #expect(second.ask("GET", "/healthz")?.status == 200) }
        let refused = try #require(second.ask("POST", "/v1/events", event))
        #expect(refused.status == 429 && refused.head.contains("Retry-After: 1"))
        fixture.replyToAll(.committed(duplicates: 0))
        #expect(first.answer()?.status == 200)
        fixture.isAccepting.withLock { $0 = false }
        #expect(second.ask("POST", "/v1/events", event)?.status == 429)
        fixture.isAccepting.withLock { $0 = true }
        fixture.outcome.withLock { $0 = .committed(duplicates: 0) }
        #expect(second.ask("POST", "/v1/events", event)?.status == 200)
    }

    @Test(
        "faults of the request have their status",
        arguments: [
            ("POST", "/v1/events", "", 400), ("POST", "/v1/events", "nonsense", 400), ("POST", "/v1/events", "{}", 422),
            ("POST", "/v1/events", "[]", 200), ("POST", "/v1/metrics", #"{"name":"m"}"#, 422),
            ("GET", "/v1/events", "", 405),
            ("POST", "/nowhere", "", 404), ("PUT", "/metrics", "", 405),
            ("POST", "/v1/metrics", #"{"name":"m","value":1}"#, 200),
            ("GET", "/healthz", "", 200), ("GET", "/metrics", "", 200),
            ("POST", "/v1/events?strict=1", #"{"id":"a","at":1767225600000,"track":"t","x":1}"#, 422),
        ])
    func statuses(method: String, path: String, body: String, status: Int) throws {
        let fixture = try IntakeServerFixture()
        let answer = try #require(try fixture.connect().ask(method, path, body))
        #expect(answer.status == status, "\(answer.body)")
        if status >= 400 { #expect(answer.head.contains("application/problem+json")) }
    }

    @Test("ListenBrainz clients get ListenBrainz's answers")
    func listenBrainz() throws {
        let fixture = try IntakeServerFixture()
        let connection = try fixture.connect()
        let body =
            #"{"listen_type":"single","payload":[{"listened_at":1767225000,"track_metadata":{"artist_name":"A","track_name":"T"}}]}"#
        let token = ["Authorization: Token abc"]
        #expect(connection.ask("POST", "/1/submit-listens", body, token)?.body == #"{"status":"ok"}"#)
        #expect(connection.ask("POST", "/1/submit-listens", body)?.status == 401)
        let bad = try #require(connection.ask("POST", "/1/submit-listens", "{}", token))
        #expect(bad.status == 400 && bad.body.hasPrefix(#"{"code":400,"error":""#))
        #expect(connection.ask("GET", "/1/validate-token", "", token)?.body.contains(#""valid":true"#) == true)
        #expect(fixture.submissions.withLock { $0.first?.events.first?[.title] } == "T")
    }

    @Test("pipelined requests are answered in order on one connection, and close is honoured")
    func pipelining() throws {
        let fixture = try IntakeServerFixture()
        let connection = try fixture.connect()
        connection.send(
            RawConnection.request("GET", "/healthz") + RawConnection.request("POST", "/v1/events", event)
                + RawConnection.request("GET", "/metrics", "", ["Connection: close"]))
        #expect(connection.answer()?.body == "ok\n")
        #expect(connection.answer()?.body.hasPrefix(#"{"accepted":1"#) == true)
        #expect(connection.answer()?.body == "up 1\n")
        #expect(connection.answer() == nil)
    }

    @Test("a body over the limit is a 413, announced or not, and the connection lives on")
    func tooLarge() throws {
        let fixture = try IntakeServerFixture()
        let connection = try fixture.connect()
        let big = String(repeating: " ", count: IntakeLimits.bodyBytesMax + 1)
        #expect(connection.ask("POST", "/v1/events", big)?.status == 413)
        connection.send("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send("\(String(big.utf8.count, radix: 16))\r\n\(big)\r\n0\r\n\r\n")
        #expect(connection.answer()?.status == 413)
        #expect(connection.ask("GET", "/healthz")?.status == 200)
        connection.send(
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
        #expect(connection.answer()?.status == 413)
        #expect(connection.answer() == nil)
    }

    @Test("a client that asks leave to send its body gets it")
    func expectContinue() throws {
        let fixture = try IntakeServerFixture()
        let connection = try fixture.connect()
        connection.send(
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: \(event.utf8.count)\r\n\r\n"
        )
        #expect(connection.answer()?.status == 100)
        connection.send(event)
        #expect(connection.answer()?.status == 200)
    }

    @Test("web pages and rebound names are refused, extensions are not")
    func webPages() throws {
        let fixture = try IntakeServerFixture()
        let connection = try fixture.connect()
        #expect(connection.ask("POST", "/v1/events", event, ["Origin: https://evil.example"])?.status == 403)
        #expect(connection.ask("POST", "/v1/events", event, ["Origin: null"])?.status == 403)
        #expect(connection.ask("POST", "/v1/events", event, ["Origin: moz-extension://x"])?.status == 200)
        connection.send("GET /metrics HTTP/1.1\r\nHost: evil.example:80\r\n\r\n")
        #expect(connection.answer()?.status == 403)
    }

    @Test("bytes that are no HTTP end their connection only")
    func garbage() throws {
        let fixture = try IntakeServerFixture()
        let connection = try fixture.connect()
        connection.send([0, 1, 2, 255, 13, 10, 13, 10])
        while let answer = connection.answer() { #expect(answer.status == 400) }
        #expect(try fixture.connect().ask("GET", "/healthz")?.status == 200)
    }

    @Test("connections beyond the bound are closed; slow requests and idle connections too")
    func connections() throws {
        let fixture = try IntakeServerFixture {
            $0.connectionsMax = 2
            $0.requestMilliseconds = 50
            $0.idleMilliseconds = 50
        }
        let slow = try fixture.connect()
        slow.send("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        let dribbling = try fixture.connect()
        dribbling.send("POST /v1")
        let third = try fixture.connect()
        #expect(third.answer() == nil)
        #expect(slow.answer() == nil && dribbling.answer() == nil)
    }

    @Test("only loopback will do")
    func loopbackOnly() {
        for host in ["0.0.0.0", "192.0.2.1", "::", "127.0.0.1.evil.example", "example.org"] {
            #expect(throws: IntakeServerError.self) { try IntakeServerFixture { $0.host = host } }
        }
    }

    @Test("the Unix socket has mode 0660, replaces a dead one, and refuses to displace a living one")
    func unixSocket() throws {
        let directory = try TemporaryDirectory("intake")
        let path = directory.file("agent.sock")
        let fixture = try IntakeServerFixture {
            $0.host = nil
            $0.socketPath = path
        }
        var status = stat()
        #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o660)
        #expect(try RawConnection(path: path).ask("POST", "/v1/events", event)?.status == 200)
        #expect(throws: IntakeServerError.self) { try IntakeServerFixture { $0.socketPath = path } }
        fixture.stop()
        #expect(lstat(path, &status) != 0)
    }

    @Test("stopping answers what was taken")
    func stopping() throws {
        let fixture = try IntakeServerFixture(outcome: nil)
        let connection = try fixture.connect()
        connection.send(RawConnection.request("POST", "/v1/events", event))
        let other = try fixture.connect()
        while fixture.submissions.withLock({ $0.isEmpty }) { #expect(other.ask("GET", "/healthz")?.status == 200) }
        fixture.replyToAll(.committed(duplicates: 0))
        fixture.stop()
        #expect(connection.answer()?.status == 200)
        #expect(connection.answer() == nil && other.answer() == nil)
    }
}
