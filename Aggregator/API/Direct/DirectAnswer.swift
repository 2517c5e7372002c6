import Glibc
import HTTPTypes
import Hummingbird
import NIOCore
import PlainHTTP
import Synchronization
import Telemetry

/// An answer that is written without the usual machinery: one that fits into a piece at once and with its length, a
/// longer one chunk by chunk, as fast as the client takes it.
struct DirectAnswer: Sendable {
    enum Piece: Sendable {
        case more([UInt8])
        case end
        /// The transfer is broken off, so that the client sees it is not whole.
        case failed
    }

    var status: HTTPResponse.Status
    /// nil: there is no body.
    var type: String?
    var retryAfterSeconds: Int?
    /// Further ones.
    var headers: [(name: String, value: String)] = []
    var body: [UInt8]
    /// Makes the next piece, elsewhere, and hands it on; nil: ``body`` is all.
    var next: (@Sendable (_ done: @escaping @Sendable (Piece) -> Void) -> Void)?

    /// The answer's head, and the body or its first chunk: with the headers that every answer carries.
    func begin(isTLS: Bool, date: String, _ allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: 512 + body.count)
        buffer.writeString("HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n")
        if let type { buffer.writeString("Content-Type: \(type)\r\nVary: Accept-Encoding\r\n") }
        if type == nil, status == .noContent {
            // It has no length either.
        } else if next == nil {
            buffer.writeString("Content-Length: \(body.count)\r\n")
        } else {
            buffer.writeStaticString("Transfer-Encoding: chunked\r\n")
        }
        if status == .unauthorized { buffer.writeString("WWW-Authenticate: \(Problem.challenge)\r\n") }
        for header in headers { buffer.writeString("\(header.name): \(header.value)\r\n") }
        if let retryAfterSeconds { buffer.writeString("Retry-After: \(retryAfterSeconds)\r\n") }
        buffer.writeStaticString("X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n")
        buffer.writeStaticString("Cache-Control: no-store\r\n")
        if isTLS { buffer.writeStaticString("Strict-Transport-Security: max-age=31536000\r\n") }
        buffer.writeString("Date: \(date)\r\n\r\n")
        if next == nil { buffer.writeBytes(body) } else { Self.write(chunk: body, to: &buffer) }
        return buffer
    }

    static func write(chunk: [UInt8], to buffer: inout ByteBuffer) {
        guard !chunk.isEmpty else { return }
        buffer.writeString(String(chunk.count, radix: 16))
        buffer.writeStaticString("\r\n")
        buffer.writeBytes(chunk)
        buffer.writeStaticString("\r\n")
    }
    static let lastChunk: StaticString = "0\r\n\r\n"
}

/// The time as the `Date` header gives it (RFC 9110, 5.6.7), made once per second. Thread-safe.
final class HTTPDate: Sendable {
    private let made = Mutex<(second: Int, text: String)>((-1, ""))

    var text: String {
        let second = time(nil)
        return made.withLock { made in
            if made.second != second { made = (second, HTTPTime.format(unixSeconds: second)) }
            return made.text
        }
    }
}
