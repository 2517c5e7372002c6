import Telemetry

/// Writes expressions as Prometheus prints them.
package enum Printer {
    /// In one line.
    package static func line(_ expression: Expression) -> String {
        switch expression {
        case .number(let literal): return text(literal)
        case .string(let literal): return GoText.quoted(bytes: literal.bytes)
        case .selector(let selector): return text(selector) + modifiers(selector)
        case .range(let node):
            return text(node.selector) + "[\(text(node.range))]" + modifiers(node.selector, extensionFirst: true)
        case .subquery(let node): return line(node.expression) + suffix(node)
        case .unary(let node): return (node.isNegation ? "-" : "+") + line(node.operand)
        case .binary(let node): return "\(line(node.left)) \(operation(node)) \(line(node.right))"
        case .aggregation(let node):
            let parameter = node.parameter.map { line($0) + ", " } ?? ""
            return "\(head(node))(\(parameter)\(line(node.expression)))"
        case .call(let node): return "\(node.function.name)(\(node.arguments.map(line).joined(separator: ", ")))"
        case .parenthesized(let inner, _): return "(\(line(inner)))"
        }
    }

    /// Lines longer than this are split where possible.
    static let columnsMax = 100

    /// In several lines where one would be longer than 100 bytes.
    package static func pretty(_ expression: Expression, level: Int = 0) -> String {
        let indent = String(repeating: "  ", count: level)
        let line = line(expression)
        let isShort = line.utf8.count <= columnsMax
        switch expression {
        case .number, .string, .selector, .range: return indent + line
        case .subquery(let node):
            return isShort ? line : pretty(node.expression, level: level) + suffix(node)
        case .unary(let node):
            let operand = pretty(node.operand, level: level).drop { $0 == " " }
            return indent + (node.isNegation ? "-" : "+") + operand
        default: break
        }
        guard !isShort else { return indent + line }
        switch expression {
        case .binary(let node):
            return pretty(node.left, level: level + 1) + "\n\(indent)\(operation(node))\n"
                + pretty(node.right, level: level + 1)
        case .aggregation(let node):
            let parameter = node.parameter.map { pretty($0, level: level + 1) + ",\n" } ?? ""
            return "\(indent)\(head(node))(\n\(parameter)\(pretty(node.expression, level: level + 1))\n\(indent))"
        case .call(let node):
            let arguments = node.arguments.map { pretty($0, level: level + 1) }.joined(separator: ",\n")
            return "\(indent)\(node.function.name)(\n\(arguments)\n\(indent))"
        case .parenthesized(let inner, _):
            return "\(indent)(\n\(pretty(inner, level: level + 1))\n\(indent))"
        default: return indent + line
        }
    }

    // MARK: Parts

    private static func text(_ literal: NumberLiteral) -> String {
        guard literal.isDuration else { return FloatText.plain(literal.value) }
        return DurationText.format(Int64((literal.value * 1000).rounded()))
    }

    private static func text(_ selector: VectorSelector) -> String {
        let matchers = selector.matchers.filter { matcher in
            !(matcher.name == SeriesKey.nameLabel && matcher.operation == .equal && matcher.value == selector.name
                && !matcher.value.isEmpty)
        }
        guard !matchers.isEmpty else { return selector.name }
        let texts = matchers.map { label($0.name) + $0.operation.rawValue + GoText.quoted($0.value) }
        return "\(selector.name){\(texts.sorted().joined(separator: ","))}"
    }

    private static func label(_ name: String) -> String { LabelName.isPlain(name) ? name : GoText.quoted(name) }
    private static func labels(_ names: [String]) -> String { names.map(label).joined(separator: ", ") }

    private static func modifiers(_ selector: VectorSelector, extensionFirst: Bool = false) -> String {
        let windowExtension = selector.windowExtension.map { " " + $0.rawValue } ?? ""
        let at = at(selector.at)
        return (extensionFirst ? windowExtension + at : at + windowExtension) + offset(selector.offset)
    }

    private static func at(_ modifier: AtModifier?) -> String {
        switch modifier {
        case nil: ""
        case .time(let milliseconds): " @ " + FloatText.fixed(Double(milliseconds) / 1000, 3)
        case .start: " @ start()"
        case .end: " @ end()"
        }
    }

    private static func offset(_ duration: DurationExpression?) -> String {
        guard let duration, duration.literalSeconds != 0 else { return "" }
        return " offset \(text(duration))"
    }

    private static func suffix(_ node: Subquery) -> String {
        "[\(text(node.range)):\(node.step.map(text) ?? "")]\(at(node.at))\(offset(node.offset))"
    }

    /// Plain durations in units, arithmetic as it was written.
    private static func text(_ duration: DurationExpression) -> String {
        if let seconds = duration.literalSeconds { return DurationText.format(Int64(seconds * 1000)) }
        return arithmetic(duration)
    }

    private static func arithmetic(_ duration: DurationExpression) -> String {
        switch duration {
        case .literal(let literal): return text(literal)
        case .step: return "step()"
        case .range: return "range()"
        case .negated(let inner, _): return "-" + arithmetic(inner)
        case .parenthesized(let inner, _): return "(\(arithmetic(inner)))"
        case .binary(let operation, let left, let right):
            return "\(arithmetic(left)) \(operation.rawValue) \(arithmetic(right))"
        case .least(let one, let other, _): return "min(\(arithmetic(one)), \(arithmetic(other)))"
        case .greatest(let one, let other, _): return "max(\(arithmetic(one)), \(arithmetic(other)))"
        }
    }

    private static func head(_ node: Aggregation) -> String {
        if node.isWithout { return "\(node.operation.rawValue) without (\(labels(node.labels))) " }
        return node.operation.rawValue + (node.labels.isEmpty ? "" : " by (\(labels(node.labels))) ")
    }

    private static func operation(_ node: BinaryOperation) -> String {
        var result = node.operation.rawValue + (node.returnsBool ? " bool" : "")
        guard let matching = node.matching else { return result }
        let isGrouped = matching.cardinality == .manyToOne || matching.cardinality == .oneToMany
        if !matching.labels.isEmpty || matching.isOn || isGrouped {
            result += " \(matching.isOn ? "on" : "ignoring") (\(labels(matching.labels)))"
        }
        if isGrouped {
            result += " group_\(matching.cardinality == .manyToOne ? "left" : "right") (\(labels(matching.included)))"
        }
        if let fill = matching.leftFill, matching.rightFill == fill {
            return result + " fill (\(FloatText.shortest(fill, exponentFrom: 21)))"
        }
        if let fill = matching.leftFill { result += " fill_left (\(FloatText.shortest(fill, exponentFrom: 21)))" }
        if let fill = matching.rightFill { result += " fill_right (\(FloatText.shortest(fill, exponentFrom: 21)))" }
        return result
    }
}
