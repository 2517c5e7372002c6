import PlainHTTP
import Testing

@Suite("Plain requests") struct PlainRequestTests {
    private func outcome(_ text: String) -> PlainRequest.Outcome { outcome(Array(text.utf8)) }
    private func outcome(_ bytes: [UInt8]) -> PlainRequest.Outcome {
        bytes.withUnsafeBytes {
            PlainRequest.recognise($0, prefixes: ["GET /api/v1/query", "POST /api/v1/write"])
        }
    }
    private static let start = "GET /api/v1/query?query=up HTTP/1.1\r\n"

    @Test("a GET with few headers is taken whole, and no byte of what follows")
    func plain() throws {
        let head =
            "GET /api/v1/query_range?query=up%5B&x=1?2 HTTP/1.1\r\nhost: a\r\nAUTHORIZATION:Bearer t \r\n"
            + "Accept-Encoding: \t identity\r\nContent-Length: 0\r\nUser-Agent: a: b\r\nConnection: Keep-Alive\r\n\r\n"
        guard case .plain(let request, let bytes) = outcome(head + "GET /next") else {
            Issue.record("not recognised")
            return
        }
        #expect(bytes == head.utf8.count)
        #expect(request.path == "/api/v1/query_range" && request.query == "query=up%5B&x=1?2")
        #expect(request.authorization == "Bearer t" && request.acceptEncoding == "identity")
        #expect(!request.closes)
        guard case .plain(let last, _) = outcome("GET /api/v1/query HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        else {
            Issue.record("not recognised")
            return
        }
        #expect(last.closes && last.query == nil && !last.isPost)
        let post =
            "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nContent-Encoding: snappy\r\n"
            + "Content-Type: application/x-protobuf\r\n\r\n"
        guard case .plain(let push, post.utf8.count) = outcome(post + "POST") else {
            Issue.record("not recognised")
            return
        }
        #expect(push.isPost && push.bodyBytes == 12 && push.contentEncoding == "snappy")
        #expect(push.contentType == "application/x-protobuf")
    }

    @Test("what has not come whole is waited for, byte by byte")
    func incomplete() {
        let head = Array((Self.start + "Host: a\r\n\r\n").utf8)
        for length in 0..<head.count { #expect(outcome(Array(head.prefix(length))) == .incomplete, "\(length)") }
    }

    @Test(
        "anything else is left to the parser",
        arguments: [
            "POST /api/v1/query HTTP/1.1\r\n", "POST /api/v1/write HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Length: 1234567890\r\n\r\n",
            "GET /api/v1/labels HTTP/1.1\r\n", "PUT", "GET /api/v2",
            start + "\r\n", start + "Host: a\r\nHost: b\r\n\r\n", start + "Host: a\r\nContent-Length: 1\r\n\r\n",
            start + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n", start + "Host: a\r\nExpect: 100-continue\r\n\r\n",
            start + "Host: a\r\nUpgrade: h2c\r\n\r\n", start + "Host: a\r\nConnection: Upgrade\r\n\r\n",
            start + "Host: a\r\n folded: b\r\n\r\n", start + "Host: a\r\nname : b\r\n\r\n",
            start + "Host: a\r\nname\r\n\r\n", start + "Host: a\r\n: b\r\n\r\n", start + "Host: a\nB: c\r\n\r\n",
            start + "Host: a\r\nB: c\u{0}\r\n\r\n", start + "Host: a\r\nB: c\rd\r\n\r\n",
            start + "Host: a\r\nAuthorization: x\r\nAuthorization: y\r\n\r\n",
            "GET /api/v1/query HTTP/1.0\r\nHost: a\r\n\r\n", "GET /api/v1/query\r\nHost: a\r\n\r\n",
            "GET /api/v1/query?a b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /api/v1/query#x HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /api/v1/query?ü HTTP/1.1\r\nHost: a\r\n\r\n",
            start + "Host: a\r\nB: " + String(repeating: "c", count: PlainRequest.bytesMax),
        ])
    func other(head: String) { #expect(outcome(head) == .other) }
}
