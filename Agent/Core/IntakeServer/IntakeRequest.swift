import NIOCore
import NIOHTTP1
import RuntimeSupport

/// A complete request.
struct IntakeRequest {
    var method: HTTPMethod
    var path: Substring
    var isStrict: Bool
    var authorization: String?
    var contentType: String?
    /// Of a compressed body, see ``inflated()``.
    var contentEncoding: String?
    var body: ByteBuffer

    init(head: HTTPRequestHead, body: ByteBuffer) {
        method = head.method
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = parts.first ?? ""
        let query = parts.count > 1 ? parts[1].split(separator: "&") : []
        isStrict = query.contains("strict=1") || query.contains("strict=true")
        authorization = head.headers.first(name: "Authorization")
        contentType = head.headers.first(name: "Content-Type")
        contentEncoding = head.headers.first(name: "Content-Encoding")
        self.body = body
    }

    /// The token of `Authorization: Token …`, as ListenBrainz clients send it.
    var token: String? {
        guard let parts = authorization?.split(separator: " ", omittingEmptySubsequences: true), parts.count == 2,
            parts[0].lowercased() == "token"
        else { return nil }
        return String(parts[1])
    }

    /// Whether a web page sent it: no page may write into a visitor's agent. Browser extensions (scrobblers) may.
    static func isFromWebPage(_ headers: HTTPHeaders) -> Bool {
        guard let origin = headers.first(name: "Origin") else { return false }
        return !["moz-extension://", "chrome-extension://", "safari-web-extension://"].contains { origin.hasPrefix($0) }
    }

    /// Whether `Host` names this machine's loopback: a rebound DNS name does not.
    static func namesLoopback(_ headers: HTTPHeaders) -> Bool {
        guard let host = headers.first(name: "Host") else { return true }
        if host.hasPrefix("[") { return host == "[::1]" || host.hasPrefix("[::1]:") }
        return LoopbackHost.isLoopback(host.split(separator: ":", maxSplits: 1).first ?? "")
    }
}
