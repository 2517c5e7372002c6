/// How errors are told over Prometheus' HTTP API.
package struct APIErrorKind: Sendable, Hashable {
    /// `errorType`.
    package let name: String
    /// The HTTP status.
    package let status: Int

    package static let badData = APIErrorKind(name: "bad_data", status: 400)
    package static let execution = APIErrorKind(name: "execution", status: 422)
    package static let canceled = APIErrorKind(name: "canceled", status: 499)
    package static let timeout = APIErrorKind(name: "timeout", status: 503)
    package static let unavailable = APIErrorKind(name: "unavailable", status: 503)
    package static let internalError = APIErrorKind(name: "internal", status: 500)

    /// The kind of what parsing or evaluating threw.
    package static func of(_ error: any Error) -> APIErrorKind {
        if error is ParseError { return .badData }
        guard let error = error as? QueryError else { return .internalError }
        switch error.code {
        case .execution, .limit, .nativeHistogram: return .execution
        case .canceled: return .canceled
        case .timeout: return .timeout
        case .source: return .internalError
        }
    }
}
