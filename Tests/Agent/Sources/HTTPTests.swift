import RuntimeSupport
import Sources
import Testing

@Suite("sources: HTTP")
struct HTTPTests {
    private func read(_ text: String, step: Int = .max, bodyBytesMax: Int = 1000) throws(HTTPFault) -> HTTPAnswer {
        var reader = HTTPAnswerReader(bodyBytesMax: bodyBytesMax)
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            let end = step < bytes.count - index ? index + step : bytes.count
            var fault: HTTPFault?
            Array(bytes[index..<end]).withUnsafeBytes { part in
                do throws(HTTPFault) { try reader.read(part) } catch { fault = error }
            }
            if let fault { throw fault }
            index = end
        }
        return try reader.finish()
    }

    @Test(
        "sized, chunked and open-ended bodies, cut anywhere", arguments: [1, 2, 3, 7, 1000],
        [
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhellomore",
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\ncontent-type:text/plain\n\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
        ])
    func framings(step: Int, text: String) throws {
        let answer = try read(text, step: step)
        #expect(answer.status == 200 && answer.contentType == "text/plain")
        #expect(String(decoding: answer.body, as: UTF8.self) == "hello")
    }

    @Test(
        "what is no answer is refused",
        arguments: [
            ("SSH-2.0-x\r\n\r\n", HTTPFault.malformed(.head)), ("HTTP/1.1 99 x\r\n\r\n", .malformed(.head)),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", .malformed(.length)),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", .malformed(.length)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", .tooLarge(1000)),
            ("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1001), .tooLarge(1000)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", .malformed(.chunk)),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nx", .malformed(.coding)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", .cutOff), ("HTTP/1.1 200", .cutOff),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", .cutOff),
            (String(repeating: "x", count: 20_000), .malformed(.longHead)),
        ])
    func faults(text: String, fault: HTTPFault) {
        #expect(throws: fault) { try read(text) }
    }

    @Test("any bytes give an answer or a fault", arguments: 0..<300)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = Array(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nffff\r\nlo\r\n0\r\n\r\n".utf8)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let outcome = Result { try read(text, step: Int.random(in: 1...9, using: &random)) }
        if case .success(let answer) = outcome { #expect(answer.body.count <= 1000) }
    }

    @Test(
        "addresses",
        arguments: [
            ("http://127.0.0.1:9100/metrics?x=1", HTTPTarget(host: "127.0.0.1", port: 9100, path: "/metrics?x=1")),
            ("http://[::1]:8000", HTTPTarget(host: "::1", port: 8000, path: "/")),
            ("http://localhost?q", HTTPTarget(host: "localhost", port: 80, path: "/?q")),
            ("https://a/", nil), ("http://", nil), ("http://a b/", nil), ("http://u@h/", nil), ("http://h:0/", nil),
            ("http://h:70000/", nil), ("http://h/\r\nX: y", nil),
        ] as [(String, HTTPTarget?)])
    func addresses(text: String, expected: HTTPTarget?) {
        #expect(HTTPTarget(text) == expected)
    }

    @Test("references are resolved against a document's address")
    func references() {
        let base = HTTPTarget(host: "h", port: 8080, path: "/live/a/index.m3u8?token=1")
        #expect(base.resolving("v1.m3u8")?.path == "/live/a/v1.m3u8")
        #expect(base.resolving("/v1.m3u8")?.path == "/v1.m3u8")
        #expect(base.resolving("//other/v.m3u8")?.host == "other")
        #expect(base.resolving("http://other:81/v.m3u8")?.port == 81)
        #expect(base.resolving("https://other/v.m3u8") == nil)
    }
}
