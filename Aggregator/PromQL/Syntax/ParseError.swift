/// Why a text is no valid PromQL expression: where, what stands there, what was expected.
package struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
    package let text: String
    package let span: SourceSpan
    /// In Prometheus' words, e.g. `unexpected <op:*> in aggregation, expected "("`.
    package let message: String

    package var description: String { "\(span.startText(in: text)): parse error: \(message)" }
}

/// What a part of the parser found wrong; the parser's entry adds the text.
struct SyntaxProblem: Error {
    let span: SourceSpan
    let message: String

    init(_ span: SourceSpan, _ message: String) {
        self.span = span
        self.message = message
    }
}
