import Glibc

/// A kept-alive HTTP/1.1 connection to the agent: one request, one answer, blocking with time limits. For one thread.
final class AgentConnection {
    struct Answer {
        var status: Int
        var body: String
    }
    /// The agent's answers are small; a longer one is not read.
    private static let answerBytesMax = 1 << 20
    private static let timeoutSeconds = 35  // the agent answers within 30 s

    private let address: AgentAddress
    private var descriptor: Int32 = -1

    init(_ address: AgentAddress) { self.address = address }
    deinit { disconnect() }

    /// - Returns: nil when the agent cannot be reached or hung up.
    func post(_ path: String, _ body: [UInt8]) -> Answer? {
        let wasConnected = descriptor >= 0
        if let answer = attempt(path, body) { return answer }
        // A kept connection may have been closed by the agent meanwhile: once more on a fresh one.
        return wasConnected ? attempt(path, body) : nil
    }

    private func attempt(_ path: String, _ body: [UInt8]) -> Answer? {
        guard connect() else { return nil }
        let head = "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.count)\r\n\r\n"
        guard send(Array(head.utf8)), send(body), let answer = receive() else {
            disconnect()
            return nil
        }
        return answer
    }

    private func connect() -> Bool {
        guard descriptor < 0 else { return true }
        guard let bytes = address.socketAddress else { return false }
        let family: Int32 = if case .unixSocket = address { AF_UNIX } else { AF_INET }
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        var limit = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        let result = bytes.withUnsafeBytes { raw -> Int32 in
            guard let pointer = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            return Glibc.connect(descriptor, pointer, socklen_t(raw.count))
        }
        if result != 0 { disconnect() }
        return result == 0
    }

    private func disconnect() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    private func send(_ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let sent = bytes[offset...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0, errno == EINTR { continue }
            guard sent > 0 else { return false }
            offset += sent
        }
        return true
    }

    private func receive() -> Answer? {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while received.count <= Self.answerBytesMax {
            if let answer = Self.parse(received, &isLast) {
                if isLast { disconnect() }
                return answer
            }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            received += buffer[..<count]
        }
        return nil
    }
    private var isLast = false

    /// The agent always sends Content-Length. Nil as long as the answer is incomplete.
    private static func parse(_ bytes: [UInt8], _ isLast: inout Bool) -> Answer? {
        guard let end = headEnd(bytes) else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, let status = Int(words[1]) else { return nil }
        var length = 0
        isLast = false
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let value = parts[1].drop { $0 == " " }
            switch parts[0].lowercased() {
            case "content-length": length = max(0, Int(value) ?? 0)
            case "connection": isLast = value.lowercased() == "close"
            default: break
            }
        }
        guard length <= answerBytesMax, bytes.count >= end + 4 + length else { return nil }
        return Answer(status: status, body: String(decoding: bytes[(end + 4)..<(end + 4 + length)], as: UTF8.self))
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (0...(bytes.count - 4)).first {
            bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10
        }
    }
}
