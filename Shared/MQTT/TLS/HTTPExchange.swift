import RuntimeSupport

/// One HTTP/1.1 request and its answer over a ``PinnedConnection``: what enrolment and the command need, no more.
public enum HTTPExchange {
    public struct Answer: Sendable, Equatable {
        public var status: Int
        public var body: [UInt8]
        /// The header Retry-After in lower case: seconds, or a date.
        public var retryAfter: String?
        public var text: String { String(decoding: body, as: UTF8.self) }
        public init(status: Int, body: [UInt8], retryAfter: String? = nil) {
            self.status = status
            self.body = body
            self.retryAfter = retryAfter
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
        public var isLoopback: Bool { LoopbackHost.isLoopback(host) }

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

    /// What the head and the bodies of longer answers may take, whatever the caller's bound.
    static let headBytesMax = 64 * 1024
    /// From the first byte sent to the last one received; the connection's own bound is for each read and write.
    public static let secondsMax = 300

    /// - Parameters:
    ///   - path: with its query, percent-encoded.
    ///   - answerBytesMax: of head and body; a larger answer is an error.
    ///   - secondsMax: however steadily the server dribbles, the answer is complete by then or an error.
    /// - Throws: ``Failure``; an answer that is not whole is never given out.
    public static func send(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        to address: Address, over connection: PinnedConnection, answerBytesMax: Int = 64 << 20,
        secondsMax: Int = HTTPExchange.secondsMax
    ) throws(Failure) -> Answer {
        let request = Request(method: method, path: path, headers: headers, body: body, address: address)
        let (answer, _) = try exchange(
            request, keepsOpen: false, over: connection, answerBytesMax: answerBytesMax, secondsMax: secondsMax)
        guard let answer else { throw .malformed("no header") }
        return answer
    }

    struct Request {
        var method: String
        var path: String
        var headers: [(name: String, value: String)]
        var body: [UInt8]
        var address: Address

        func bytes(keepsOpen: Bool) -> [UInt8] {
            var head = "\(method) \(path) HTTP/1.1\r\nHost: \(address.authority)\r\n"
            if !keepsOpen { head += "Connection: close\r\n" }
            if !body.isEmpty || method == "POST" { head += "Content-Length: \(body.count)\r\n" }
            for header in headers { head += "\(header.name): \(header.value)\r\n" }
            return Array((head + "\r\n").utf8) + body
        }
    }

    /// - Parameter keepsOpen: asks the server not to end the connection.
    /// - Returns: no answer when the connection ended or broke before the first byte of one; `leavesOpen`: another
    ///   request may follow.
    static func exchange(
        _ request: Request, keepsOpen: Bool, over connection: PinnedConnection, answerBytesMax: Int, secondsMax: Int
    ) throws(Failure) -> (answer: Answer?, leavesOpen: Bool) {
        let deadline = PinnedConnection.deadline(secondsFromNow: secondsMax)
        let hasBody = request.method != "HEAD"
        var framing = HTTPFraming(hasBody: hasBody)
        var hasBegun = false
        let bytes: [UInt8]
        do throws(PinnedConnection.Failure) {
            try connection.send(request.bytes(keepsOpen: keepsOpen), until: deadline)
            bytes = try connection.read(max: answerBytesMax, until: deadline) { bytes in
                hasBegun = !bytes.isEmpty
                return framing.isComplete(bytes)
            }
        } catch {
            guard keepsOpen, !hasBegun, error.isBreak else { throw .connection(error) }
            return (nil, false)
        }
        guard !bytes.isEmpty else { return (nil, false) }
        return (try parse(bytes, hasBody: hasBody), keepsOpen && framing.leavesOpen(bytes))
    }

    /// A whole answer: sized, chunked, or ended by the connection.
    /// - Throws: ``Failure/malformed(_:)``, also for one that is cut off.
    public static func parse(_ bytes: [UInt8], hasBody: Bool = true) throws(Failure) -> Answer {
        var framing = HTTPFraming(hasBody: hasBody)
        _ = framing.isComplete(bytes)
        switch framing.result(bytes) {
        case .success(let answer): return answer
        case .failure(let failure): throw failure
        }
    }
}
