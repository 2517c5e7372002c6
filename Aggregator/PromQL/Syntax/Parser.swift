package import Telemetry

/// Reads PromQL expressions: recursive descent with operator precedence over the tokens of ``Lexer``.
///
/// Bounds: ``textBytesMax`` of text, ``nestingMax`` levels of the tree; beyond them the text is refused.
package struct Parser {
    package static let textBytesMax = 1 << 20
    package static let nestingMax = 250

    let options: ParserOptions
    let tokens: [Token]
    var position = 0
    var depth = 0

    /// - Throws: ``ParseError`` with the place and what was expected there.
    package static func parse(_ text: String, options: ParserOptions = .stable) throws(ParseError) -> Expression {
        try run(text, options) { parser throws(SyntaxProblem) in
            if case .endOfInput = parser.token.kind {
                throw SyntaxProblem(SourceSpan(0, 0), "no expression found in input")
            }
            var expression = try parser.parseExpression()
            try parser.expectEnd()
            try TypeChecker().check(&expression)
            return expression
        }
    }

    /// Reads a series selector without modifiers, as `match[]` takes it.
    package static func parseSelector(_ text: String) throws(ParseError) -> [LabelMatcher] {
        try run(text, .stable) { parser throws(SyntaxProblem) in
            guard let selector = try parser.parseSelector() else { throw parser.unexpected() }
            try parser.expectEnd()
            var expression = Expression.selector(selector)
            try TypeChecker().check(&expression)
            return selector.matchers
        }
    }

    private static func run<Result>(
        _ text: String, _ options: ParserOptions, _ body: (inout Parser) throws(SyntaxProblem) -> Result
    ) throws(ParseError) -> Result {
        guard text.utf8.count <= textBytesMax else {
            throw ParseError(
                text: String(text.prefix(1000)), span: SourceSpan(0, 0),
                message: "the expression has \(text.utf8.count) bytes; at most \(textBytesMax) are read")
        }
        var parser = Parser(options: options, tokens: Lexer.tokens(of: text))
        do {
            return try body(&parser)
        } catch {
            throw ParseError(text: text, span: error.span, message: error.message)
        }
    }

    private init(options: ParserOptions, tokens: [Token]) {
        self.options = options
        self.tokens = tokens
    }

    // MARK: Tokens

    var token: Token { tokens[position] }
    var next: Token { tokens[min(position + 1, tokens.count - 1)] }

    mutating func advance() -> Token {
        let token = tokens[position]
        if position + 1 < tokens.count { position += 1 }
        return token
    }

    mutating func take(_ kind: TokenKind) -> Token? { token.kind == kind ? advance() : nil }

    func unexpected(_ context: String = "", expected: String = "") -> SyntaxProblem {
        if case .failure = token.kind { return SyntaxProblem(token.span, token.text) }
        return SyntaxProblem(
            token.span,
            "unexpected \(token.explanation)" + (context.isEmpty ? "" : " in \(context)")
                + (expected.isEmpty ? "" : ", expected \(expected)"))
    }

    private func expectEnd() throws(SyntaxProblem) {
        if case .endOfInput = token.kind { return }
        throw unexpected()
    }

    // MARK: Expressions

    mutating func parseExpression(_ precedenceMin: Int = 0) throws(SyntaxProblem) -> Expression {
        // A chain of operators is as deep a tree as nested parentheses.
        let depthBefore = depth
        defer { depth = depthBefore }
        try descend()
        var left = try parseOperand()
        while case .binary(let operation) = token.kind, operation.precedence >= max(precedenceMin, 1) {
            try descend()
            let start = advance().span.start
            let modifiers = try parseBinaryModifiers()
            let operatorSpan = SourceSpan(start, tokens[position - 1].span.end)
            let isRight = operation == .power
            let right = try parseExpression(operation.precedence + (isRight ? 0 : 1))
            left = .binary(
                BinaryOperation(
                    operation: operation, left: left, right: right, returnsBool: modifiers.returnsBool,
                    matching: modifiers.matching, operatorSpan: operatorSpan))
        }
        return left
    }

    mutating func descend() throws(SyntaxProblem) {
        depth += 1
        guard depth <= Self.nestingMax else {
            throw SyntaxProblem(token.span, "expressions nest at most \(Self.nestingMax) deep")
        }
    }

    private mutating func parseOperand() throws(SyntaxProblem) -> Expression {
        if token.kind == .binary(.add) || token.kind == .binary(.subtract) {
            let sign = advance()
            let isNegation = sign.kind == .binary(.subtract)
            // As tight as multiplication: -a * b is (-a) * b, -a ^ b is -(a ^ b).
            let operand = try parseExpression(BinaryOperator.powerPrecedence)
            if case .number(var literal) = operand {
                if isNegation { literal.value = -literal.value }
                literal.span.start = sign.span.start
                return .number(literal)
            }
            return .unary(
                UnaryOperation(
                    isNegation: isNegation, operand: operand, span: sign.span.through(operand.span)))
        }
        var expression = try parsePrimary()
        while let modified = try parsePostfix(expression) {
            try descend()
            expression = modified
        }
        return expression
    }

    private mutating func parsePrimary() throws(SyntaxProblem) -> Expression {
        switch token.kind {
        case .number, .duration: return .number(try parseNumber())
        case .string:
            let token = advance()
            return .string(StringLiteral(bytes: StringText.decode(token.text), span: token.span))
        case .leftParen:
            let open = advance()
            let inner = try parseExpression()
            guard let close = take(.rightParen) else { throw unexpected() }
            return .parenthesized(inner, open.span.through(close.span))
        case .aggregation(let operation):
            switch next.kind {
            case .leftParen, .keyword(.by), .keyword(.without): return try parseAggregation(operation)
            default: break
            }
        case .identifier, .keyword(.start), .keyword(.end), .keyword(.step), .keyword(.range):
            if next.kind == .leftParen { return try parseCall() }
        default: break
        }
        if let selector = try parseSelector() { return .selector(selector) }
        throw unexpected()
    }

    mutating func parseNumber() throws(SyntaxProblem) -> NumberLiteral {
        let token = advance()
        if case .duration = token.kind {
            guard let milliseconds = DurationText.milliseconds(token.text) else {
                throw SyntaxProblem(token.span, "not a valid duration string: \(GoText.quoted(token.text))")
            }
            return NumberLiteral(value: Double(milliseconds) / 1000, isDuration: true, span: token.span)
        }
        guard let value = NumberText.value(token.text) else {
            throw SyntaxProblem(token.span, "error parsing number: \(GoText.quoted(token.text))")
        }
        return NumberLiteral(value: value, span: token.span)
    }

    // MARK: Calls and aggregations

    private mutating func parseCall() throws(SyntaxProblem) -> Expression {
        let name = advance()
        let word: String
        if case .keyword(let keyword) = name.kind { word = keyword.rawValue } else { word = name.text }
        let arguments = try parseArguments()
        guard let function = Function.named(word) else {
            throw SyntaxProblem(name.span, "unknown function with name \(GoText.quoted(word))")
        }
        if function.isExperimental, !options.allowsExperimentalFunctions {
            throw SyntaxProblem(name.span, "function \(GoText.quoted(word)) is not enabled")
        }
        return .call(
            FunctionCall(
                function: function, arguments: arguments,
                span: SourceSpan(name.span.start, tokens[position - 1].span.end)))
    }

    private mutating func parseArguments() throws(SyntaxProblem) -> [Expression] {
        guard take(.leftParen) != nil else { throw unexpected() }
        if take(.rightParen) != nil { return [] }
        var arguments: [Expression] = []
        while true {
            arguments.append(try parseExpression())
            if take(.rightParen) != nil { return arguments }
            guard let comma = take(.comma) else { throw unexpected() }
            if token.kind == .rightParen {
                throw SyntaxProblem(comma.span, "trailing commas not allowed in function call args")
            }
        }
    }

    private mutating func parseAggregation(_ operation: AggregationOperator) throws(SyntaxProblem) -> Expression {
        let name = advance()
        var labels: [String] = []
        var isWithout = false
        var hasModifier = false
        func isModifier(_ kind: TokenKind) -> Bool { kind == .keyword(.by) || kind == .keyword(.without) }
        if isModifier(token.kind) {
            isWithout = advance().kind == .keyword(.without)
            labels = try parseGroupingLabels()
            hasModifier = true
        }
        guard token.kind == .leftParen else { throw unexpected("aggregation") }
        let arguments = try parseArguments()
        if !hasModifier, isModifier(token.kind) {
            isWithout = advance().kind == .keyword(.without)
            labels = try parseGroupingLabels()
        }
        let span = SourceSpan(name.span.start, tokens[position - 1].span.end)
        if arguments.isEmpty { throw SyntaxProblem(span, "no arguments for aggregate expression provided") }
        if operation.isExperimental, !options.allowsExperimentalFunctions {
            throw SyntaxProblem(
                span,
                "\(operation.rawValue)() is experimental and must be enabled with "
                    + "--enable-feature=promql-experimental-functions")
        }
        let wanted = operation.takesParameter ? 2 : 1
        guard arguments.count == wanted else {
            throw SyntaxProblem(
                span,
                "wrong number of arguments for aggregate expression provided, expected \(wanted), "
                    + "got \(arguments.count)")
        }
        return .aggregation(
            Aggregation(
                operation: operation, expression: arguments[wanted - 1],
                parameter: operation.takesParameter ? arguments[0] : nil, labels: labels, isWithout: isWithout,
                span: span))
    }
}
