extension Parser {
    // MARK: Binary operators

    mutating func parseBinaryModifiers() throws(SyntaxProblem) -> (returnsBool: Bool, matching: VectorMatching) {
        let returnsBool = take(.keyword(.bool)) != nil
        var matching = VectorMatching()
        if token.kind == .keyword(.on) || token.kind == .keyword(.ignoring) {
            matching.isOn = advance().kind == .keyword(.on)
            matching.labels = try parseGroupingLabels()
            if token.kind == .keyword(.groupLeft) || token.kind == .keyword(.groupRight) {
                matching.cardinality = advance().kind == .keyword(.groupLeft) ? .manyToOne : .oneToMany
                if token.kind == .leftParen { matching.included = try parseGroupingLabels() }
            }
        }
        while case .keyword(let keyword) = token.kind,
            keyword == .fill || keyword == .fillLeft || keyword == .fillRight
        {
            let start = advance()
            guard options.allowsFill else {
                throw SyntaxProblem(start.span, "binop fill modifiers are experimental and not enabled")
            }
            let value = try parseFillValue()
            if keyword != .fillRight { matching.leftFill = value }
            if keyword != .fillLeft { matching.rightFill = value }
        }
        return (returnsBool, matching)
    }

    private mutating func parseFillValue() throws(SyntaxProblem) -> Double {
        guard take(.leftParen) != nil else { throw unexpected("fill", expected: "\"(\"") }
        let value = try parseSignedNumber { parser in parser.unexpected("fill", expected: "number") }
        guard take(.rightParen) != nil else { throw unexpected("fill", expected: "\")\"") }
        return value
    }

    private mutating func parseSignedNumber(
        _ problem: (Parser) -> SyntaxProblem
    ) throws(SyntaxProblem) -> Double {
        let isNegative = token.kind == .binary(.subtract)
        if isNegative || token.kind == .binary(.add) { _ = advance() }
        guard token.kind == .number || token.kind == .duration else { throw problem(self) }
        let value = try parseNumber().value
        return isNegative ? -value : value
    }

    /// `(a, b, "c.d")`.
    mutating func parseGroupingLabels() throws(SyntaxProblem) -> [String] {
        guard take(.leftParen) != nil else { throw unexpected("grouping opts", expected: "\"(\"") }
        if take(.rightParen) != nil { return [] }
        var labels: [String] = []
        while true {
            labels.append(try parseGroupingLabel())
            if take(.rightParen) != nil { return labels }
            guard take(.comma) != nil else {
                throw unexpected("grouping opts", expected: "\",\" or \")\"")
            }
            if take(.rightParen) != nil { return labels }
        }
    }

    private mutating func parseGroupingLabel() throws(SyntaxProblem) -> String {
        switch token.kind {
        case .string:
            let token = advance()
            let literal = StringLiteral(bytes: StringText.decode(token.text), span: token.span)
            guard literal.isValid, !literal.bytes.isEmpty else {
                throw SyntaxProblem(
                    token.span, "unexpected \(token.explanation) in grouping opts, expected label")
            }
            return literal.value
        case .identifier, .aggregation, .keyword, .binary(.and), .binary(.or), .binary(.unless),
            .binary(.arcTangent):
            return advance().text
        case .number where token.text.utf8.allSatisfy(Lexer.isAlpha): return advance().text
        default: throw unexpected("grouping opts", expected: "label")
        }
    }

    // MARK: What follows an expression

    /// `[5m]`, `[1h:5m]`, `offset 5m`, `@ 0`, `anchored`; nil when none of them comes.
    mutating func parsePostfix(_ expression: Expression) throws(SyntaxProblem) -> Expression? {
        switch token.kind {
        case .leftBracket: return try parseBrackets(expression)
        case .keyword(.offset): return try parseOffset(expression)
        case .at: return try parseAt(expression)
        case .keyword(.anchored), .keyword(.smoothed):
            return try extend(expression, with: advance().kind == .keyword(.anchored) ? .anchored : .smoothed)
        default: return nil
        }
    }

    private mutating func parseBrackets(_ expression: Expression) throws(SyntaxProblem) -> Expression {
        let open = advance()
        let range = try parseDuration("subquery selector", expected: "number or duration")
        try checkPositive(range)
        if take(.colon) != nil {
            var step: DurationExpression?
            if token.kind != .rightBracket {
                step = try parseDuration("subquery selector", expected: "number or duration or \"]\"")
            }
            if let step { try checkPositive(step) }
            guard let close = take(.rightBracket) else { throw unexpected("subquery selector", expected: "\"]\"") }
            return .subquery(
                Subquery(expression: expression, range: range, step: step, span: expression.span.through(close.span)))
        }
        guard let close = take(.rightBracket) else {
            throw unexpected("subquery or range", expected: "\":\" or \"]\"")
        }
        let span = open.span.through(close.span)
        guard case .selector(let selector) = expression else {
            throw SyntaxProblem(span, "ranges only allowed for vector selectors")
        }
        if selector.offset != nil { throw SyntaxProblem(span, "no offset modifiers allowed before range") }
        if selector.at != nil { throw SyntaxProblem(span, "no @ modifiers allowed before range") }
        return .range(RangeSelector(selector: selector, range: range, span: selector.span.through(close.span)))
    }

    private mutating func parseOffset(_ expression: Expression) throws(SyntaxProblem) -> Expression {
        _ = advance()
        let offset = try parseOffsetDuration()
        let end = tokens[position - 1].span.end
        func check(_ known: DurationExpression?) throws(SyntaxProblem) {
            if let known, known.literalSeconds != 0 {
                throw SyntaxProblem(expression.span, "offset may not be set multiple times")
            }
        }
        switch expression {
        case .selector(var selector):
            try check(selector.offset)
            selector.offset = offset
            selector.span.end = end
            return .selector(selector)
        case .range(var range):
            try check(range.selector.offset)
            range.selector.offset = offset
            range.span.end = end
            return .range(range)
        case .subquery(var subquery):
            try check(subquery.offset)
            subquery.offset = offset
            subquery.span.end = end
            return .subquery(subquery)
        default:
            throw SyntaxProblem(
                expression.span,
                "offset modifier must be preceded by an instant vector selector or range vector selector or a "
                    + "subquery")
        }
    }

    private mutating func parseAt(_ expression: Expression) throws(SyntaxProblem) -> Expression {
        _ = advance()
        let at: AtModifier
        if token.kind == .keyword(.start) || token.kind == .keyword(.end) {
            at = advance().kind == .keyword(.start) ? .start : .end
            guard take(.leftParen) != nil, take(.rightParen) != nil else {
                throw unexpected("@", expected: "timestamp")
            }
        } else {
            let seconds = try parseSignedNumber { parser in parser.unexpected("@", expected: "timestamp") }
            guard seconds.isFinite, abs(seconds) < 0x1p63 / 1000 else {
                throw SyntaxProblem(expression.span, "timestamp out of bounds for @ modifier: \(seconds)")
            }
            at = .time(Int64((seconds * 1000).rounded()))
        }
        let end = tokens[position - 1].span.end
        func check(_ known: AtModifier?) throws(SyntaxProblem) {
            if known != nil {
                throw SyntaxProblem(expression.span, "@ <timestamp> may not be set multiple times")
            }
        }
        switch expression {
        case .selector(var selector):
            try check(selector.at)
            selector.at = at
            selector.span.end = end
            return .selector(selector)
        case .range(var range):
            try check(range.selector.at)
            range.selector.at = at
            range.span.end = end
            return .range(range)
        case .subquery(var subquery):
            try check(subquery.at)
            subquery.at = at
            subquery.span.end = end
            return .subquery(subquery)
        default:
            throw SyntaxProblem(
                expression.span,
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery")
        }
    }

    private func extend(
        _ expression: Expression, with windowExtension: WindowExtension
    ) throws(SyntaxProblem) -> Expression {
        let name = windowExtension.rawValue
        guard options.allowsExtendedRanges else {
            throw SyntaxProblem(expression.span, "\(name) modifier is experimental and not enabled")
        }
        func check(_ known: WindowExtension?) throws(SyntaxProblem) {
            if let known, known != windowExtension {
                throw SyntaxProblem(expression.span, "anchored and smoothed modifiers cannot be used together")
            }
        }
        switch expression {
        case .selector(var selector):
            try check(selector.windowExtension)
            selector.windowExtension = windowExtension
            return .selector(selector)
        case .range(var range):
            try check(range.selector.windowExtension)
            range.selector.windowExtension = windowExtension
            return .range(range)
        case .subquery:
            throw SyntaxProblem(expression.span, "\(name) modifier is not supported for subqueries")
        default: throw SyntaxProblem(expression.span, "\(name) modifier not implemented")
        }
    }
}
