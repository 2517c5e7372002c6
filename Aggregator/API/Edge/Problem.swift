import Access
import HTTPTypes
package import Hummingbird
import Store

/// An error as the client gets it: RFC 9457 problem details, `application/problem+json`.
///
/// Types are stable and listed here; `detail` says what to do and never holds a secret.
package struct Problem: Error, Sendable, Hashable {
    /// The stable part of the type, `urn:stagebox:problem:<kind>`.
    package enum Kind: String, Sendable, CaseIterable {
        case invalidRequest = "invalid-request"
        case invalidSelector = "invalid-selector"
        case unauthenticated
        case forbidden
        case notFound = "not-found"
        case conflict
        case refused
        case payloadTooLarge = "payload-too-large"
        case unsupportedMedia = "unsupported-media"
        case tooManyRequests = "too-many-requests"
        case limitReached = "limit-reached"
        case busy
        case notReady = "not-ready"
        case serverFailure = "internal"

        var status: HTTPResponse.Status {
            switch self {
            case .invalidRequest, .invalidSelector: .badRequest
            case .unauthenticated: .unauthorized
            case .forbidden, .refused: .forbidden
            case .notFound: .notFound
            case .conflict: .conflict
            case .payloadTooLarge: .contentTooLarge
            case .unsupportedMedia: .unsupportedMediaType
            case .tooManyRequests: .tooManyRequests
            case .limitReached: .unprocessableContent
            case .busy, .notReady: .serviceUnavailable
            case .serverFailure: .internalServerError
            }
        }
        var title: String {
            switch self {
            case .invalidRequest: "The request is not valid"
            case .invalidSelector: "The series selector is not valid"
            case .unauthenticated: "A valid bearer token is needed"
            case .forbidden: "The token's role does not allow this"
            case .notFound: "There is no such thing here"
            case .conflict: "It exists already"
            case .refused: "The credential is not accepted"
            case .payloadTooLarge: "The body is too large"
            case .unsupportedMedia: "The body's type or encoding is not known here"
            case .tooManyRequests: "Too many requests"
            case .limitReached: "A limit is reached"
            case .busy: "Too much work is waiting"
            case .notReady: "Not ready yet"
            case .serverFailure: "The server failed"
            }
        }
    }
    package var kind: Kind
    package var detail: String
    package var retryAfterSeconds: Int?

    package init(_ kind: Kind, _ detail: String, retryAfterSeconds: Int? = nil) {
        self.kind = kind
        self.detail = detail
        self.retryAfterSeconds = retryAfterSeconds
    }

    static let busy = Problem(.busy, "too many requests are waiting for the disk; try again", retryAfterSeconds: 1)

    init(_ error: AccessError) {
        switch error.code {
        case .notFound: self.init(.notFound, error.message)
        case .exists: self.init(.conflict, error.message)
        case .invalid: self.init(.invalidRequest, error.message)
        case .refused: self.init(.refused, error.message)
        case .limit: self.init(.limitReached, error.message)
        case .system: self.init(.serverFailure, "an internal step failed; see the server's log")
        }
    }

    /// - Returns: nil for errors that are this program's own and whose text the client must not see.
    init?(_ error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let access as AccessError where access.code != .system: self.init(access)
        case let selector as SelectorError: self.init(.invalidSelector, selector.description)
        case let http as HTTPError where http.status == .notFound:
            self.init(.notFound, "no such path or method")
        case let http as HTTPError where http.status == .contentTooLarge:
            self.init(.payloadTooLarge, "the body exceeds this route's limit")
        case let http as HTTPError where (400..<500).contains(http.status.code):
            self.init(.invalidRequest, http.body ?? "the request is not valid")
        case let store as StoreError where store.code == .limit: self.init(.limitReached, store.message)
        case let store as StoreError where store.code == .full:
            self.init(.busy, "the server's disk is full", retryAfterSeconds: 60)
        case let store as StoreError where store.code == .busy:
            self.init(.busy, "files changed while they were read; ask again", retryAfterSeconds: 1)
        default: return nil
        }
    }

    /// What `WWW-Authenticate` says.
    static let challenge = "Bearer realm=\"stagebox\""

    /// Of errors that are this program's own.
    static let failed = Problem(.serverFailure, "the server failed on this request; its log says why")

    var encoded: [UInt8] {
        JSON.object([
            ("type", .string("urn:stagebox:problem:\(kind.rawValue)")), ("title", .string(kind.title)),
            ("status", .integer(Int64(kind.status.code))), ("detail", .string(detail)),
        ]).encoded
    }

    package var response: Response {
        var headers: HTTPFields = [.contentType: "application/problem+json", .cacheControl: "no-store"]
        if kind == .unauthenticated { headers[.wwwAuthenticate] = Self.challenge }
        if let retryAfterSeconds { headers[.retryAfter] = String(retryAfterSeconds) }
        return Response(
            status: kind.status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: encoded)))
    }
}
