enum TokenKind: Hashable, Sendable {
    case endOfInput
    case identifier
    /// An identifier with a colon in it.
    case metricIdentifier
    case number
    case duration
    case string
    case binary(BinaryOperator)
    case aggregation(AggregationOperator)
    case keyword(Keyword)
    /// `=`, `=~`, `!~` (`!=` is an operator).
    case equals, matches, notMatches
    case at, comma, colon, leftParen, rightParen, leftBrace, rightBrace, leftBracket, rightBracket
    /// The text could not be split here; the token's text says why.
    case failure
}

struct Token: Sendable {
    let kind: TokenKind
    let span: SourceSpan
    /// As written; of a failure the message.
    let text: String

    /// Of longer names messages tell the beginning only.
    private static let nameLengthMax = 200

    /// As Prometheus names tokens in its messages.
    var explanation: String {
        switch kind {
        case .endOfInput: return "end of input"
        case .identifier: return "identifier \(GoText.quoted(String(text.prefix(Self.nameLengthMax))))"
        case .metricIdentifier: return "metric identifier \(GoText.quoted(String(text.prefix(Self.nameLengthMax))))"
        case .number: return "number \(shortened)"
        case .duration: return "duration \(shortened)"
        case .string: return "string \(shortened)"
        case .binary: return "<op:\(text)>"
        case .at: return "<op:@>"
        case .aggregation: return "<aggr:\(text)>"
        case .keyword(let keyword): return keyword.isPrintedInBrackets ? "<\(text)>" : GoText.quoted(text)
        case .matches, .notMatches: return "<op:\(text)>"
        default: return GoText.quoted(text)
        }
    }

    private var shortened: String {
        text.unicodeScalars.count > 10
            ? GoText.quoted(String(String.UnicodeScalarView(text.unicodeScalars.prefix(10)))) + "..."
            : GoText.quoted(text)
    }
}
