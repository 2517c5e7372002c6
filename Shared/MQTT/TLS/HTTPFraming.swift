/// Where an HTTP/1.1 answer ends (RFC 9112, section 6.3), as its bytes arrive: at the end of a chunked body, after
/// Content-Length bytes, or with the connection.
struct HTTPFraming {
    private enum Body {
        case none
        case sized(Int)
        case chunked
        case untilEnd
        case malformed(String)
    }
    private struct Head {
        var status: Int
        var end: Int
        var body: Body
        /// The server says that it ends the connection, or speaks HTTP/1.0.
        var closes = false
        var retryAfter: String?
    }
    private var head: Head?
    /// Of the head's end: nothing before it is looked at again.
    private var searched = 0
    /// Of a chunked body: where the next chunk's size stands.
    private var chunk = 0
    private var isLastChunk = false
    private let hasBody: Bool

    /// - Parameter hasBody: false for answers to HEAD, whose Content-Length is of what GET would have given.
    init(hasBody: Bool) { self.hasBody = hasBody }

    /// - Parameter bytes: all that has arrived.
    /// - Returns: whether no more is needed; also when no more can help.
    /// - Complexity: amortised, each byte of a head and each chunk's size is looked at once.
    mutating func isComplete(_ bytes: [UInt8]) -> Bool {
        while head == nil {
            guard let end = Self.find([13, 10, 13, 10], in: bytes, from: max(0, searched - 3)) else {
                searched = bytes.count
                return bytes.count > HTTPExchange.headBytesMax
            }
            let read = Self.readHead(bytes, from: chunk, to: end, hasBody)
            // An interim answer: the real one follows.
            if (100..<200).contains(read.status) {
                chunk = end + 4
                searched = end + 4
                continue
            }
            head = read
            chunk = end + 4
        }
        guard let head else { return false }
        switch head.body {
        case .none, .malformed: return true
        case .sized(let count): return bytes.count - head.end >= count
        case .untilEnd: return false
        case .chunked:
            skipChunks(bytes)
            return isLastChunk
        }
    }

    /// Whether the connection may carry another request, after ``isComplete(_:)`` has seen all the same bytes.
    func leavesOpen(_ bytes: [UInt8]) -> Bool {
        guard let head, !head.closes else { return false }
        switch head.body {
        case .none: return bytes.count == head.end
        case .sized(let count): return bytes.count - head.end == count
        // Behind the last chunk, without trailers.
        case .chunked:
            return isLastChunk && bytes.count == chunk + 5 && bytes.suffix(5).elementsEqual([48, 13, 10, 13, 10])
        case .untilEnd, .malformed: return false
        }
    }

    /// The answer after ``isComplete(_:)`` has seen the same bytes.
    func result(_ bytes: [UInt8]) -> Result<HTTPExchange.Answer, HTTPExchange.Failure> {
        guard let head else { return .failure(.malformed("no header")) }
        let rest = bytes[head.end...]
        let body: [UInt8]
        switch head.body {
        case .malformed(let reason): return .failure(.malformed(reason))
        case .none: body = []
        case .untilEnd: body = Array(rest)
        case .sized(let count):
            guard rest.count >= count else { return .failure(.malformed("cut off")) }
            body = Array(rest.prefix(count))
        case .chunked:
            guard isLastChunk, let whole = Self.unchunked(bytes, from: head.end) else {
                return .failure(.malformed("cut off"))
            }
            body = whole
        }
        return .success(HTTPExchange.Answer(status: head.status, body: body, retryAfter: head.retryAfter))
    }

    private static func readHead(_ bytes: [UInt8], from start: Int, to end: Int, _ hasBody: Bool) -> Head {
        let lines = String(decoding: bytes[start..<end], as: UTF8.self).lowercased().split(separator: "\r\n")
        var head = Head(status: 0, end: end + 4, body: .untilEnd)
        guard let first = lines.first, first.hasPrefix("http/1."),
            let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) }),
            (100...999).contains(status)
        else {
            head.body = .malformed("no status")
            return head
        }
        head.status = status
        head.closes = first.hasPrefix("http/1.0")
        var length: Int?
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].filter { $0 != " " && $0 != "\t" }
            switch line[..<colon] {
            case "transfer-encoding": head.body = value.hasSuffix("chunked") ? .chunked : .malformed("its coding")
            case "content-length":
                guard let count = Int(value), count >= 0, value.first != "+", length ?? count == count else {
                    head.body = .malformed("its length")
                    return head
                }
                length = count
            case "connection": head.closes = head.closes || value.split(separator: ",").contains("close")
            case "retry-after": head.retryAfter = String(line[line.index(after: colon)...].drop { $0 == " " })
            default: continue
            }
        }
        if case .untilEnd = head.body, let length { head.body = .sized(length) }
        if !hasBody || status == 204 || status == 304 || status < 200 { head.body = .none }
        return head
    }

    private mutating func skipChunks(_ bytes: [UInt8]) {
        while !isLastChunk, let (size, start) = Self.chunkSize(bytes, at: chunk) {
            guard let size else {
                head?.body = .malformed("a chunk's size")
                isLastChunk = true
                return
            }
            guard size > 0 else {
                // Trailers up to an empty line; nothing of them is used.
                let hasNone = bytes[start...].starts(with: [13, 10])
                isLastChunk = hasNone || Self.find([13, 10, 13, 10], in: bytes, from: start) != nil
                return
            }
            guard size <= bytes.count - start - 2 else { return }
            chunk = start + size + 2
        }
    }

    private static func unchunked(_ bytes: [UInt8], from start: Int) -> [UInt8]? {
        var body: [UInt8] = []
        var position = start
        while let (size, start) = chunkSize(bytes, at: position), let size {
            if size == 0 { return body }
            guard size <= bytes.count - start - 2 else { return nil }
            body += bytes[start..<start + size]
            position = start + size + 2
        }
        return nil
    }

    /// A chunk's size (nil: no number) and where its bytes begin; nil when the line is not whole yet.
    private static func chunkSize(_ bytes: [UInt8], at position: Int) -> (size: Int?, start: Int)? {
        guard position <= bytes.count, let end = find([13, 10], in: bytes, from: position) else {
            // No size has this many digits and extensions.
            return bytes.count - position > HTTPExchange.headBytesMax ? (nil, position) : nil
        }
        let digits = bytes[position..<end].prefix { $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: " ") }
        let isSigned = digits.first == UInt8(ascii: "+") || digits.first == UInt8(ascii: "-")
        guard (1...15).contains(digits.count), !isSigned else { return (nil, end + 2) }
        return (Int(String(decoding: digits, as: UTF8.self), radix: 16), end + 2)
    }

    private static func find(_ needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        var index = start
        while index + needle.count <= bytes.count {
            if bytes[index] == needle[0], bytes[index..<index + needle.count].elementsEqual(needle) { return index }
            index += 1
        }
        return nil
    }
}
