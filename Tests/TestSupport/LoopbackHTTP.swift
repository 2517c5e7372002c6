import Glibc
import Synchronization

/// A small HTTP/1.1 server on loopback that answers requests as it is told, one connection after the other, and counts.
///
/// `Sendable`: what changes is guarded by mutexes.
public final class LoopbackHTTP: Sendable {
    /// What becomes of one request.
    public enum Reply: Sendable {
        /// These bytes; then the connection stays open.
        case bytes(String)
        /// These bytes, and the connection ends.
        case lastBytes(String)
        /// Nothing: the connection ends.
        case hangUp

        public static func status(_ status: Int, _ headers: String = "") -> Reply {
            .bytes("HTTP/1.1 \(status) x\r\nContent-Length: 2\r\n\(headers)\r\nok")
        }
    }

    public let port: UInt16
    private let listener: Int32
    private let peer = Mutex<Int32>(-1)
    private let replies: Mutex<[Reply]>
    private let counts = Mutex<(connections: Int, bodies: [[UInt8]])>((0, []))
    private let thread = Mutex<pthread_t?>(nil)

    public var connections: Int { counts.withLock { $0.connections } }
    /// Of the requests so far, those without an answer among them.
    public var bodies: [[UInt8]] { counts.withLock { $0.bodies } }

    /// - Parameter replies: to the first requests; later ones are answered 200.
    public init(_ replies: [Reply] = []) throws {
        self.replies = Mutex(replies.reversed())
        port = try FreePort.next()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let descriptor = listener
        let bound = withUnsafeBytes(of: FreePort.loopback(port: port)) { bytes in
            bind(descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        guard bound == 0, listen(listener, 8) == 0 else { throw SystemError("listen") }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<LoopbackHTTP>.fromOpaque(argument).takeUnretainedValue().serve() }
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        self.thread.withLock { $0 = thread }
    }

    private func serve() {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            peer.withLock { $0 = descriptor }
            counts.withLock { $0.connections += 1 }
            var received: [UInt8] = []
            while answer(descriptor, &received) {}
            peer.withLock {
                close(descriptor)
                $0 = -1
            }
        }
    }

    /// - Returns: whether the connection goes on.
    private func answer(_ descriptor: Int32, _ received: inout [UInt8]) -> Bool {
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            if let (end, length) = Self.head(received), received.count >= end + length {
                counts.withLock { $0.bodies.append(Array(received[end..<end + length])) }
                received.removeFirst(end + length)
                break
            }
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { return false }
            received += piece[..<count]
        }
        let (text, goesOn): (String, Bool)
        switch replies.withLock({ $0.popLast() }) ?? .status(200) {
        case .bytes(let bytes): (text, goesOn) = (bytes, true)
        case .lastBytes(let bytes): (text, goesOn) = (bytes, false)
        case .hangUp: (text, goesOn) = ("", false)
        }
        let bytes = Array(text.utf8)
        return send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count && goesOn
    }

    /// Where the body begins, and its length.
    private static func head(_ bytes: [UInt8]) -> (end: Int, length: Int)? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].lowercased().split(separator: "\r\n")
        let length = lines.first { $0.hasPrefix("content-length:") }?.split(separator: ":").last
        return (
            text[..<end.upperBound].utf8.count, length.flatMap { Int($0.filter { $0 != " " }) } ?? 0
        )
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        peer.withLock { if $0 >= 0 { shutdown($0, Int32(SHUT_RDWR)) } }
        thread.withLock { if let thread = $0 { pthread_join(thread, nil) } }
        close(listener)
    }
}
