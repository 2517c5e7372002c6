/// Why a valid expression gave no answer.
package struct QueryError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The query asks for something that its data or parameters do not allow.
        case execution
        /// A bound of ``QueryLimits`` was reached; the message names it and says how to ask for less.
        case limit
        /// The caller withdrew the query.
        case canceled
        /// The query took longer than it may.
        case timeout
        /// A series has native histogram samples, which this engine does not evaluate.
        case nativeHistogram
        /// The source failed.
        case source
    }
    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    static let duplicateLabels = QueryError(
        .execution, "vector cannot contain metrics with the same labelset")

    package static func nativeHistogram(_ series: String) -> QueryError {
        QueryError(.nativeHistogram, "\(series) has native histogram samples, which are not supported")
    }

    /// Puts what a source threw in our terms.
    static func from(_ error: any Error) -> QueryError {
        error as? QueryError ?? QueryError(.source, "reading series: \(error)")
    }
}
