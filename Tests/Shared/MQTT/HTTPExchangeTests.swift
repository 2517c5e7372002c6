import Glibc
import MQTT
import Synchronization
import TestSupport
import Testing

@Suite("One HTTP exchange", .ownThread)
struct HTTPExchangeTests {
    private func body(_ text: String, hasBody: Bool = true) throws -> String {
        let answer = try HTTPExchange.parse(Array(text.utf8), hasBody: hasBody)
        return "\(answer.status) \(answer.text)"
    }

    @Test("an answer ends after its length, with its last chunk, or with the connection")
    func framing() throws {
        #expect(try body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore") == "200 ok")
        #expect(try body("HTTP/1.1 200 OK\r\n\r\nall of it") == "200 all of it")
        let chunked = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"
        #expect(try body(chunked + "2\r\nok\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n") == "201 ok0123456789")
        #expect(try body(chunked + "2\r\nok\r\n0\r\nTrailer: x\r\n\r\n") == "201 ok")
        #expect(try body("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n") == "204 ")
        #expect(try body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", hasBody: false) == "200 ")
        #expect(try body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx") == "200 x")
    }

    @Test(
        "an answer that is cut off or contradicts itself is none",
        arguments: [
            "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "SSH-2.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
        ])
    func malformed(text: String) {
        #expect(throws: HTTPExchange.Failure.self) { try HTTPExchange.parse(Array(text.utf8)) }
    }

    @Test("every prefix of a sized and of a chunked answer is cut off")
    func prefixes() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ] {
            for length in 0..<text.utf8.count {
                #expect(throws: HTTPExchange.Failure.self) { try HTTPExchange.parse(Array(text.utf8.prefix(length))) }
            }
        }
    }

    @Test("a server that keeps the connection open does not keep the client: the length says that it is all")
    func keptOpen() throws {
        let server = try OneAnswer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let address = try HTTPExchange.Address("http://127.0.0.1:\(server.port)")
        let connection = try PinnedConnection(host: address.host, port: address.port, keyHash: nil)
        let answer = try HTTPExchange.send("GET", "/", to: address, over: connection)
        #expect(answer.text == "ok")
    }

    @Test("an answer that is not there by the deadline is an error, and nothing is waited for beyond it")
    func deadline() throws {
        let server = try OneAnswer("HTTP/1.1 200 OK\r\n\r\n")
        let address = try HTTPExchange.Address("http://127.0.0.1:\(server.port)")
        let connection = try PinnedConnection(host: address.host, port: address.port, keyHash: nil)
        #expect(throws: HTTPExchange.Failure.self) {
            try HTTPExchange.send("GET", "/", to: address, over: connection, secondsMax: 0)
        }
    }

    @Test("plain http is for loopback, and a name that begins with 127 is not")
    func addresses() throws {
        #expect(try HTTPExchange.Address("http://127.0.0.1:80").isLoopback)
        #expect(try HTTPExchange.Address("http://[::1]:80").isLoopback)
        #expect(try !HTTPExchange.Address("http://127.example.org:80").isLoopback)
    }
}

/// Answers the first connection at once and holds it open until the client goes.
private final class OneAnswer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let accepted = Mutex<Int32>(-1)
    private let text: [UInt8]
    private let thread = Mutex<pthread_t?>(nil)

    init(_ text: String) throws {
        self.text = Array(text.utf8)
        port = try FreePort.next()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let descriptor = listener
        let bound = withUnsafeBytes(of: address) { bytes in
            bind(descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        guard bound == 0, listen(listener, 1) == 0 else { throw SystemError("listen") }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<OneAnswer>.fromOpaque(argument).takeUnretainedValue().serve() }
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        self.thread.withLock { $0 = thread }
    }

    private func serve() {
        let peer = accept(listener, nil, nil)
        accepted.withLock { $0 = peer }
        _ = send(peer, text, text.count, Int32(MSG_NOSIGNAL))
        var bytes = [UInt8](repeating: 0, count: 1024)
        while recv(peer, &bytes, bytes.count, 0) > 0 {}
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        accepted.withLock { _ = shutdown($0, Int32(SHUT_RDWR)) }
        thread.withLock { if let thread = $0 { pthread_join(thread, nil) } }
        accepted.withLock { _ = close($0) }
        close(listener)
    }
}
