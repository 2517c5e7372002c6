import Telemetry

/// A plain `http://host[:port][/path][?query]`, taken apart.
public struct HTTPTarget: Sendable, Hashable, CustomStringConvertible {
    public static let bytesMax = 2048

    public var host: String
    public var port: UInt16
    /// With the query, from `/`.
    public var path: String

    public init(host: String, port: UInt16, path: String) {
        self.host = host
        self.port = port
        self.path = path
    }

    /// - Returns: nil unless the text is such an address of printable ASCII without user or fragment.
    public init?(_ text: String) {
        guard text.hasPrefix("http://"), text.utf8.count <= Self.bytesMax,
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") })
        else { return nil }
        let rest = text.dropFirst(7)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard let (host, port) = Self.split(authority) else { return nil }
        let path = rest.dropFirst(authority.count)
        self.init(host: host, port: port ?? 80, path: path.hasPrefix("/") ? String(path) : "/" + path)
    }

    /// `host`, `host:port`, `[::1]:port`.
    public static func split(_ authority: Substring) -> (host: String, port: UInt16?)? {
        var host = authority
        var port: UInt16?
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            guard let number = UInt16(authority[authority.index(after: colon)...]), number > 0 else { return nil }
            port = number
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.contains(where: { "@/?[]".contains($0) }) else { return nil }
        return (String(host), port)
    }

    public var authority: String { (host.contains { $0 == ":" } ? "[\(host)]" : host) + (port == 80 ? "" : ":\(port)") }
    /// Without the query, which may hold a secret; `?…` stands for it. For people and logs.
    public var description: String {
        let shown = path.prefix { $0 != "?" }
        return "http://\(authority)\(shown)\(shown.count < path.count ? "?…" : "")"
    }
    /// Any text that should have been an address, for logs: 80 bytes at most, without user, password, query and fragment.
    public static func shown(_ text: String) -> String {
        var rest = text.prefix { $0 != "?" && $0 != "#" }
        if let at = rest.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
        return String(rest.prefix(80))
    }
    /// With the query: names the target.
    public var url: String { "http://\(authority)\(path)" }

    /// The address of a reference in a document fetched from here (RFC 3986, section 5.2, for http only).
    /// - Returns: nil for other schemes.
    public func resolving(_ reference: String) -> HTTPTarget? {
        if reference.hasPrefix("http://") { return HTTPTarget(reference) }
        guard !reference.holds("://"), !reference.isEmpty else { return nil }
        if reference.hasPrefix("//") { return HTTPTarget("http:" + reference) }
        if reference.hasPrefix("/") { return HTTPTarget("http://\(authority)\(reference)") }
        let folder = path.prefix { $0 != "?" }
        let base = folder[...(folder.lastIndex(of: "/") ?? folder.startIndex)]
        return HTTPTarget("http://\(authority)\(base)\(reference)")
    }

    /// A POST over a connection of its own.
    /// - Parameter type: of the body.
    public func post(_ body: [UInt8], type: String) -> [UInt8] {
        Array(
            """
            POST \(path) HTTP/1.1\r
            Host: \(authority)\r
            User-Agent: stagebox-agent\r
            Content-Type: \(type)\r
            Content-Length: \(body.count)\r
            Connection: close\r
            \r\n
            """.utf8) + body
    }

    /// A GET over a connection of its own.
    public func request(accept: String) -> [UInt8] {
        Array(
            """
            GET \(path) HTTP/1.1\r
            Host: \(authority)\r
            User-Agent: stagebox-agent\r
            Accept: \(accept)\r
            Connection: close\r
            \r\n
            """.utf8)
    }
}
