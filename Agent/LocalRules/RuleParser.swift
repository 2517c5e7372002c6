import Telemetry

/// Reads the text of a ``LocalRule``, from left to right.
struct RuleParser {
    struct Parsed {
        var expression: RuleExpression
        var condition: RuleCondition?
        var holdMilliseconds: Int64 = 0
        var release: RuleCondition?
        var severity = Finding.Severity.warning
    }

    private var scanner: RuleScanner

    init(_ text: String) { scanner = RuleScanner(text) }

    mutating func parse() throws(RuleError) -> Parsed {
        let expression = try parseExpression()
        var parsed = Parsed(expression: expression)
        if case .absent = expression {} else { parsed.condition = try parseCondition() }
        var seen: Set<String> = []
        scanner.skipSpace()
        while !scanner.isAtEnd {
            let start = scanner.position
            let clause = scanner.word()
            guard seen.insert(clause).inserted else { throw scanner.error("each clause once", at: start) }
            switch clause {
            case "for":
                parsed.holdMilliseconds = try scanner.duration(
                    0...LocalRule.holdMillisecondsMax, "a duration up to 1d, like 60s")
            case "until" where parsed.condition != nil: parsed.release = try parseCondition()
            case "severity": parsed.severity = try parseSeverity()
            default: throw scanner.error("\"for\", \"until\", \"severity\" or the end", at: start)
            }
            scanner.skipSpace()
        }
        return parsed
    }

    // MARK: Expression

    private mutating func parseExpression() throws(RuleError) -> RuleExpression {
        if try takeFunction("absent") {
            let selector = try parseSelector()
            try scanner.expect(")")
            return .absent(selector)
        }
        let left = try parseOperand()
        guard scanner.take("/") else { return .value(left) }
        let start = scanner.position
        let right = try parseOperand()
        guard left.isSum == right.isSum else { throw scanner.error("a sum on both sides of / or on none", at: start) }
        return .ratio(left, right)
    }

    private mutating func parseOperand() throws(RuleError) -> RuleOperand {
        if try takeFunction("sum") {
            var operand = try parseSeries()
            try scanner.expect(")")
            operand.isSum = true
            return operand
        }
        return try parseSeries()
    }

    private mutating func parseSeries() throws(RuleError) -> RuleOperand {
        guard try takeFunction("rate") else { return RuleOperand(selector: try parseSelector()) }
        let selector = try parseSelector()
        try scanner.expect("[")
        let window = try scanner.duration(RuleOperand.windowMilliseconds, "a duration from 1s to 1h")
        try scanner.expect("]")
        try scanner.expect(")")
        return RuleOperand(selector: selector, rateWindow: window)
    }

    /// Takes `name(`; a metric may have the same name.
    private mutating func takeFunction(_ name: String) throws(RuleError) -> Bool {
        let before = scanner
        if scanner.word() == name, scanner.take("(") { return true }
        scanner = before
        return false
    }

    // MARK: Selector

    private mutating func parseSelector() throws(RuleError) -> RuleSelector {
        scanner.skipSpace()
        let start = scanner.position
        var matchers: [LabelMatcher] = []
        let name = scanner.word { $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ":") }
        if !name.isEmpty { matchers.append(.equal(SeriesKey.nameLabel, name)) }
        if scanner.take("{") {
            while !scanner.take("}") {
                guard matchers.count < RuleSelector.matchersMax else {
                    throw scanner.error("at most \(RuleSelector.matchersMax) matchers")
                }
                matchers.append(try parseMatcher())
                guard !scanner.take(",") else { continue }
                try scanner.expect("}")
                break
            }
        }
        // Else everything would match.
        guard matchers.contains(where: { !$0.isSatisfied(by: "") }) else {
            throw scanner.error("a metric's name or a matcher that an empty value does not satisfy", at: start)
        }
        return RuleSelector(matchers: matchers)
    }

    private mutating func parseMatcher() throws(RuleError) -> LabelMatcher {
        let label = scanner.word()
        guard !label.isEmpty else { throw scanner.error("a label's name or \"}\"") }
        let operations: [LabelMatcher.Operation] = [.matches, .notMatches, .notEqual, .equal]
        guard let operation = operations.first(where: { scanner.take($0.rawValue) }) else {
            throw scanner.error("=, !=, =~ or !~")
        }
        scanner.skipSpace()
        let start = scanner.position
        let value = try scanner.quoted()
        do throws(PatternError) { return try LabelMatcher(label, operation, value) } catch {
            throw scanner.error(
                "a regular expression; at its character \(error.position), \(error.expectation)", at: start)
        }
    }

    // MARK: Comparison

    private mutating func parseCondition() throws(RuleError) -> RuleCondition {
        guard let operation = RuleCondition.Operator.allCases.first(where: { scanner.take($0.rawValue) }) else {
            throw scanner.error("a comparison: <, <=, >, >=, == or !=")
        }
        return RuleCondition(operator: operation, threshold: try scanner.number())
    }

    private mutating func parseSeverity() throws(RuleError) -> Finding.Severity {
        scanner.skipSpace()
        let start = scanner.position
        let word = scanner.word()
        guard let severity = Finding.Severity.allCases.first(where: { $0.name == word }) else {
            throw scanner.error("info, warning or critical", at: start)
        }
        return severity
    }
}
