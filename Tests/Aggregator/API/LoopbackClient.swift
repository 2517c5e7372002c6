import Glibc
import TestSupport

/// One HTTP/1.1 exchange over a real loopback socket, byte by byte, so that the tests see what a client sees.
struct LoopbackAnswer {
    let status: Int
    /// Lower-case names.
    let headers: [String: String]
    let body: [UInt8]
    /// false when a chunked body was broken off.
    let isComplete: Bool
    var text: String { String(decoding: body, as: UTF8.self) }
}

final class LoopbackConnection {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("socket") }
        // A server that does not answer fails the test rather than hang it.
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafeBytes(of: address) { bytes -> Int32 in
            guard let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            return connect(descriptor, pointer, socklen_t(bytes.count))
        }
        guard result == 0 else { throw SystemError("connect to port \(port)") }
    }
    deinit { close(descriptor) }

    func send(_ method: String, _ target: String, token: String? = nil, headers: [String] = [], body: [UInt8] = [])
        throws
    {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: localhost", "Content-Length: \(body.count)"]
        if let token { lines.append("Authorization: Bearer \(token)") }
        lines += headers
        try send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
    }

    func send(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw SystemError("send") }
            done += count
        }
    }

    /// Sends nothing more, but goes on receiving.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Reads on until `text` has come, for streams.
    func read(until text: String) throws -> String {
        while true {
            let all = String(decoding: buffer, as: UTF8.self)
            if all.contains(text) { return all }
            guard try fill() else { throw SystemError("the stream ended before \"\(text)\"; it held: \(all)", code: 0) }
        }
    }

    func receive(isHead: Bool = false) throws -> LoopbackAnswer {
        var head: [String] = []
        while let line = try line(), !line.isEmpty { head.append(line) }
        guard let first = head.first, let status = Int(first.split(separator: " ").dropFirst().first ?? "") else {
            throw SystemError("no status line", code: 0)
        }
        var headers: [String: String] = [:]
        for line in head.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
        }
        if isHead || status == 204 || status == 304 {
            return LoopbackAnswer(status: status, headers: headers, body: [], isComplete: true)
        }
        var body: [UInt8] = []
        if headers["transfer-encoding"] == "chunked" {
            while let size = try line().flatMap({ Int($0, radix: 16) }) {
                guard let chunk = try take(size), try line() != nil else { break }
                body += chunk
                if size == 0 { return LoopbackAnswer(status: status, headers: headers, body: body, isComplete: true) }
            }
            return LoopbackAnswer(status: status, headers: headers, body: body, isComplete: false)
        }
        body = try take(Int(headers["content-length"] ?? "0") ?? 0) ?? []
        return LoopbackAnswer(status: status, headers: headers, body: body, isComplete: true)
    }

    private func line() throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = String(decoding: buffer[..<end].filter { $0 != 13 }, as: UTF8.self)
                buffer.removeSubrange(...end)
                return line
            }
            guard try fill() else { return nil }
        }
    }
    private func take(_ count: Int) throws -> [UInt8]? {
        while buffer.count < count { guard try fill() else { return nil } }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }
    private func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count >= 0 else { throw SystemError("receive") }
        buffer += chunk.prefix(count)
        return count > 0
    }
}
