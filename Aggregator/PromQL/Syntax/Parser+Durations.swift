extension Parser {
    /// Between brackets: arithmetic is allowed as a whole.
    mutating func parseDuration(
        _ context: String, expected: String, precedenceMin: Int = 1
    ) throws(SyntaxProblem) -> DurationExpression {
        let depthBefore = depth
        defer { depth = depthBefore }
        try descend()
        var left = try parseDurationOperand(context, expected: expected)
        while case .binary(let operation) = token.kind, Self.isArithmetic(operation),
            operation.precedence >= precedenceMin
        {
            try descend()
            try checkAllowed(left.span)
            let sign = advance()
            let right = try parseDuration(
                context, expected: expected,
                precedenceMin: operation.precedence + (operation == .power ? 0 : 1))
            if right.literalSeconds == 0, operation == .divide {
                throw SyntaxProblem(sign.span, "division by zero")
            }
            if right.literalSeconds == 0, operation == .modulo {
                throw SyntaxProblem(sign.span, "modulo by zero")
            }
            left = .binary(operation, left, right)
        }
        return left
    }

    /// After `offset`: one operand with a sign, since what follows belongs to the expression.
    mutating func parseOffsetDuration() throws(SyntaxProblem) -> DurationExpression {
        try parseDurationOperand("offset", expected: "number or duration", isOffset: true)
    }

    private static func isArithmetic(_ operation: BinaryOperator) -> Bool {
        switch operation {
        case .add, .subtract, .multiply, .divide, .modulo, .power: true
        default: false
        }
    }

    private func checkAllowed(_ span: SourceSpan) throws(SyntaxProblem) {
        guard options.allowsDurationExpressions else {
            throw SyntaxProblem(span, "experimental duration expression is not enabled")
        }
    }

    private mutating func parseDurationOperand(
        _ context: String, expected: String, isOffset: Bool = false
    ) throws(SyntaxProblem) -> DurationExpression {
        switch token.kind {
        case .binary(.add), .binary(.subtract):
            try descend()
            let sign = advance()
            let operand =
                isOffset
                ? try parseDurationOperand(context, expected: expected)
                : try parseDuration(context, expected: expected, precedenceMin: BinaryOperator.powerPrecedence)
            guard sign.kind == .binary(.subtract) else { return operand }
            if case .literal(var literal) = operand {
                literal.value = -literal.value
                literal.span.start = sign.span.start
                return .literal(literal)
            }
            return .negated(operand, sign.span.through(operand.span))
        case .number, .duration:
            let literal = try parseNumber()
            guard abs(literal.value) <= 0x1p63 / 1e9 else {
                throw SyntaxProblem(literal.span, "duration out of range")
            }
            return .literal(literal)
        case .keyword(.step), .keyword(.range):
            let word = advance()
            guard take(.leftParen) != nil, let close = take(.rightParen) else {
                throw unexpected(context, expected: expected)
            }
            let span = word.span.through(close.span)
            try checkAllowed(span)
            return word.kind == .keyword(.step) ? .step(span) : .range(span)
        case .aggregation(.min), .aggregation(.max):
            let word = advance()
            guard take(.leftParen) != nil else { throw unexpected(context, expected: expected) }
            let first = try parseDuration(context, expected: expected)
            guard take(.comma) != nil else { throw unexpected(context, expected: "\",\"") }
            let second = try parseDuration(context, expected: expected)
            guard let close = take(.rightParen) else { throw unexpected(context, expected: "\")\"") }
            let span = word.span.through(close.span)
            try checkAllowed(span)
            return word.kind == .aggregation(.min) ? .least(first, second, span) : .greatest(first, second, span)
        case .leftParen:
            let open = advance()
            let inner = try parseDuration(context, expected: expected)
            guard let close = take(.rightParen) else { throw unexpected(context, expected: "\")\"") }
            try checkAllowed(inner.span)
            return .parenthesized(inner, open.span.through(close.span))
        default: throw unexpected(context, expected: expected)
        }
    }

    func checkPositive(_ duration: DurationExpression) throws(SyntaxProblem) {
        if let seconds = duration.literalSeconds, !(seconds > 0) {
            throw SyntaxProblem(duration.span, "duration must be greater than 0")
        }
    }
}
