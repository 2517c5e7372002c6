import MQTT
import TestSupport
import Testing

@Suite("A connection that is kept", .ownThread)
struct KeptConnectionTests {
    private func connection(_ server: LoopbackHTTP) throws -> KeptConnection {
        KeptConnection(try HTTPExchange.Address("http://127.0.0.1:\(server.port)"), trust: nil, timeoutSeconds: 120)
    }

    @Test("requests share one connection, whether answers are sized, chunked or empty")
    func shared() throws {
        let server = try LoopbackHTTP([
            .status(200), .bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            .bytes("HTTP/1.1 204 No Content\r\n\r\n"), .status(503, "Retry-After: 7\r\n"),
        ])
        let kept = try connection(server)
        var answers: [HTTPExchange.Answer] = []
        for number in 0..<5 { answers.append(try kept.send("POST", "/", body: Array("body \(number)".utf8))) }
        #expect(answers.map(\.status) == [200, 200, 204, 503, 200])
        #expect(answers.map(\.retryAfter) == [nil, nil, nil, "7", nil])
        #expect(server.bodies.map { String(decoding: $0, as: UTF8.self) } == (0..<5).map { "body \($0)" })
        #expect(server.connections == 1 && kept.connectionCount == 1)
    }

    @Test(
        "an answer that does not leave the connection open is followed by a new one",
        arguments: [
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nok",
        ])
    func closing(first: String) throws {
        let server = try LoopbackHTTP([.lastBytes(first)])
        let kept = try connection(server)
        for _ in 0..<2 { #expect(try kept.send("POST", "/").text == "ok") }
        #expect(server.connections == 2 && kept.connectionCount == 2)
    }

    @Test("a server that ended the connection meanwhile, or does so instead of answering, is asked anew")
    func ended() throws {
        let server = try LoopbackHTTP([.status(200), .hangUp, .status(201), .lastBytes("HTTP/1.1 204 x\r\n\r\n")])
        let kept = try connection(server)
        #expect(try kept.send("POST", "/", body: [1]).status == 200)
        // Hung up upon over the kept connection, answered over a new one.
        #expect(try kept.send("POST", "/", body: [2]).status == 201)
        #expect(try kept.send("POST", "/", body: [3]).status == 204)
        #expect(try kept.send("POST", "/", body: [4]).status == 200)
        #expect(server.bodies == [[1], [2], [2], [3], [4]])
        #expect(server.connections == 3)
    }

    @Test("a new connection without an answer is an error, and the next request begins anew")
    func silent() throws {
        let server = try LoopbackHTTP([.hangUp])
        let kept = try connection(server)
        #expect(throws: HTTPExchange.Failure.self) { try kept.send("POST", "/") }
        #expect(try kept.send("POST", "/").status == 200)
        #expect(server.bodies.count == 2 && server.connections == 2)
    }
}
