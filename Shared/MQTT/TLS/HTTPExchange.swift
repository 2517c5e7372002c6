/// One HTTP/1.1 request and its answer over a ``PinnedConnection``: what enrolment and the command need, no more.
public enum HTTPExchange {
    public struct Answer: Sendable, Equatable {
        public var status: Int
        public var body: [UInt8]
        public var text: String { String(decoding: body, as: UTF8.self) }
        public init(status: Int, body: [UInt8]) {
            self.status = status
            self.body = body
        }
    }

    public enum Failure: Error, Equatable, CustomStringConvertible {
        case badAddress(String)
        case connection(PinnedConnection.Failure)
        case malformed(String)
        public var description: String {
            switch self {
            case .badAddress(let text): "\"\(text)\" is not an address: use http://host:port or https://host[:port]"
            case .connection(let failure): failure.description
            case .malformed(let reason): "the answer is not HTTP (\(reason)); is this the aggregator's address?"
            }
        }
    }

    /// `http://host:port` or `https://host[:port]`; a path is ignored.
    public struct Address: Sendable, Hashable {
        public var isTLS: Bool
        public var host: String
        public var port: UInt16
        public var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

        public init(_ url: String) throws(Failure) {
            var rest = Substring(url)
            if rest.hasPrefix("https://") {
                isTLS = true
            } else if rest.hasPrefix("http://") {
                isTLS = false
            } else {
                throw .badAddress(url)
            }
            rest = rest.dropFirst(isTLS ? 8 : 7).prefix { $0 != "/" }
            port = isTLS ? 443 : 80
            if let colon = rest.lastIndex(of: ":"), !rest.hasSuffix("]") {
                guard let number = UInt16(rest[rest.index(after: colon)...]) else { throw .badAddress(url) }
                port = number
                rest = rest[..<colon]
            }
            if rest.hasPrefix("["), rest.hasSuffix("]") { rest = rest.dropFirst().dropLast() }
            guard !rest.isEmpty else { throw .badAddress(url) }
            host = String(rest)
        }
        var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// - Parameters:
    ///   - path: with its query, percent-encoded.
    ///   - answerBytesMax: a larger answer is an error.
    public static func send(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        to address: Address, over connection: PinnedConnection, answerBytesMax: Int = 64 << 20
    ) throws(Failure) -> Answer {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(address.authority)\r\nConnection: close\r\n"
        if !body.isEmpty || method == "POST" { head += "Content-Length: \(body.count)\r\n" }
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        do {
            try connection.send(Array((head + "\r\n").utf8) + body)
            return try parse(try connection.readToEnd(max: answerBytesMax))
        } catch let failure as PinnedConnection.Failure {
            throw .connection(failure)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw .malformed(String(describing: error))
        }
    }

    /// An answer that ends with the connection, sized or chunked.
    public static func parse(_ bytes: [UInt8]) throws(Failure) -> Answer {
        guard let end = find([13, 10, 13, 10], in: bytes[...]) else { throw .malformed("no header") }
        let head = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
        let lines = head.split(separator: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw .malformed("no status")
        }
        let body = bytes[(end + 4)...]
        let isChunked = lines.contains { $0.hasPrefix("transfer-encoding:") && $0.contains("chunked") }
        return Answer(status: status, body: isChunked ? try unchunked(body) : Array(body))
    }

    private static func unchunked(_ bytes: ArraySlice<UInt8>) throws(Failure) -> [UInt8] {
        var rest = bytes
        var body: [UInt8] = []
        while let end = find([13, 10], in: rest) {
            guard let size = Int(String(decoding: rest[rest.startIndex..<end], as: UTF8.self), radix: 16), size >= 0
            else { break }
            if size == 0 { return body }
            let start = end + 2
            guard size <= rest.endIndex - start else { break }
            body += rest[start..<start + size]
            rest = rest[(start + size)...].dropFirst(2)
        }
        throw .malformed("cut off")
    }

    private static func find(_ needle: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        var index = bytes.startIndex
        while index + needle.count <= bytes.endIndex {
            if bytes[index] == needle[0], bytes[index..<index + needle.count].elementsEqual(needle) { return index }
            index += 1
        }
        return nil
    }
}
