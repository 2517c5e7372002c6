import HTTPTypes
import Hummingbird
import PromQL

/// An error in the form of Prometheus's HTTP API: `{"status":"error","errorType":…,"error":…}`.
struct PrometheusError: Error {
    let kind: APIErrorKind
    let message: String

    init(_ kind: APIErrorKind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// - Returns: nil for errors that are none of the query's: those of access, and our own failures.
    init?(_ error: any Error) {
        switch error {
        case let error as PrometheusError: self = error
        case let error as ParseError: self.init(.badData, "invalid parameter \"query\": \(error.description)")
        case let error as QueryError where error.code != .source: self.init(.of(error), error.message)
        case let error as SelectorError: self.init(.badData, "invalid parameter \"match[]\": \(error.description)")
        case let problem as Problem:
            switch problem.kind {
            case .invalidRequest, .invalidSelector, .payloadTooLarge: self.init(.badData, problem.detail)
            case .limitReached: self.init(.execution, problem.detail)
            case .busy: self.init(.unavailable, problem.detail)
            default: return nil
            }
        default: return nil
        }
    }

    var response: Response {
        var headers: HTTPFields = [.contentType: "application/json"]
        if kind == .unavailable { headers[.retryAfter] = "1" }
        return Response(
            status: HTTPResponse.Status(code: kind.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: ResultEncoder.error(kind.name, message))))
    }

    /// Runs a handler whose errors Prometheus's clients have to understand.
    static func answering(_ body: () async throws -> Response) async throws -> Response {
        do { return try await body() } catch {
            guard let error = PrometheusError(error) else { throw error }
            return error.response
        }
    }
}
