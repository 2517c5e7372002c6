import Telemetry

extension Parser {
    /// At most so many matchers in one selector.
    static let matchersMax = 256

    /// A name, braces, or both; nil when neither comes.
    mutating func parseSelector() throws(SyntaxProblem) -> VectorSelector? {
        var name = ""
        var span = token.span
        if isMetricName(token.kind) {
            name = advance().text
        } else if token.kind != .leftBrace {
            return nil
        }
        var matchers: [LabelMatcher] = []
        if token.kind == .leftBrace {
            matchers = try parseMatchers()
            span.end = tokens[position - 1].span.end
        }
        if !name.isEmpty { matchers.append(.equal(SeriesKey.nameLabel, name)) }
        return VectorSelector(name: name, matchers: matchers, span: span)
    }

    private func isMetricName(_ kind: TokenKind) -> Bool {
        switch kind {
        case .identifier, .metricIdentifier, .aggregation, .binary(.and), .binary(.or), .binary(.unless): true
        case .keyword(let keyword): keyword.mayBeMetricName
        default: false
        }
    }

    private mutating func parseMatchers() throws(SyntaxProblem) -> [LabelMatcher] {
        _ = advance()
        var matchers: [LabelMatcher] = []
        if take(.rightBrace) != nil { return matchers }
        while true {
            matchers.append(try parseMatcher())
            guard matchers.count <= Self.matchersMax else {
                throw SyntaxProblem(token.span, "a selector has at most \(Self.matchersMax) label matchers")
            }
            if take(.rightBrace) != nil { return matchers }
            guard take(.comma) != nil else {
                throw unexpected("label matching", expected: "\",\" or \"}\"")
            }
            if take(.rightBrace) != nil { return matchers }
        }
    }

    private mutating func parseMatcher() throws(SyntaxProblem) -> LabelMatcher {
        guard token.kind == .identifier || token.kind == .string else {
            throw unexpected("label matching", expected: "identifier or \"}\"")
        }
        let label = advance()
        let isQuoted = label.kind == .string
        let name = isQuoted ? try text(of: label) : label.text
        let operation: LabelMatcher.Operation
        switch token.kind {
        case .equals: operation = .equal
        case .binary(.notEqual): operation = .notEqual
        case .matches: operation = .matches
        case .notMatches: operation = .notMatches
        case .comma where isQuoted, .rightBrace where isQuoted: return .equal(SeriesKey.nameLabel, name)
        default: throw unexpected("label matching", expected: "label matching operator")
        }
        _ = advance()
        guard token.kind == .string else { throw unexpected("label matching", expected: "string") }
        let valueToken = advance()
        let value = try text(of: valueToken)
        do {
            return try LabelMatcher(name, operation, value)
        } catch {
            throw SyntaxProblem(
                label.span.through(valueToken.span),
                "error parsing regexp: \(error.expectation) at position \(error.position) of \(GoText.quoted(value))")
        }
    }

    private func text(of token: Token) throws(SyntaxProblem) -> String {
        guard let text = String(validating: StringText.decode(token.text), as: UTF8.self) else {
            throw SyntaxProblem(token.span, "invalid UTF-8 in \(token.text)")
        }
        return text
    }
}
