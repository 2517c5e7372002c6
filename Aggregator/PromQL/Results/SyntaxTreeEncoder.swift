import Telemetry

/// Writes syntax trees as Prometheus' `/api/v1/parse_query` does, keys in alphabetical order.
package enum SyntaxTreeEncoder {
    package static func bytes(_ expression: Expression) -> [UInt8] {
        var tree = TreeBytes()
        tree.write(expression)
        return tree.bytes
    }
}

private struct TreeBytes {
    var bytes: [UInt8] = []

    private mutating func text(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func string(_ value: String) {
        let sink = Sink()
        var json = JSONBytes { sink.bytes += $0 }
        json.string(value)
        // The sink takes everything.
        try? json.finish()
        bytes += sink.bytes
    }

    private final class Sink {
        var bytes: [UInt8] = []
    }

    /// `{"key":…,…}`.
    private mutating func object(_ members: [(String, (inout TreeBytes) -> Void)]) {
        text("{")
        for (index, member) in members.enumerated() {
            if index > 0 { text(",") }
            string(member.0)
            text(":")
            member.1(&self)
        }
        text("}")
    }

    private mutating func list<Element>(_ elements: [Element], _ write: (inout TreeBytes, Element) -> Void) {
        text("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { text(",") }
            write(&self, element)
        }
        text("]")
    }

    mutating func write(_ expression: Expression) {
        switch expression {
        case .number(let literal):
            object([("type", { $0.string("numberLiteral") }), ("val", { $0.string(FloatText.plain(literal.value)) })])
        case .string(let literal):
            object([("type", { $0.string("stringLiteral") }), ("val", { $0.string(literal.value) })])
        case .parenthesized(let inner, _):
            object([("expr", { $0.write(inner) }), ("type", { $0.string("parenExpr") })])
        case .unary(let node):
            object([
                ("expr", { $0.write(node.operand) }), ("op", { $0.string(node.isNegation ? "-" : "+") }),
                ("type", { $0.string("unaryExpr") }),
            ])
        case .selector(let selector):
            object(members(selector) + [("type", { $0.string("vectorSelector") })])
        case .range(let node):
            object(
                members(node.selector, range: node.range) + [("type", { $0.string("matrixSelector") })])
        case .subquery(let node):
            object([
                ("expr", { $0.write(node.expression) }), ("offset", { $0.duration(node.offset) }),
                ("range", { $0.duration(node.range) }), ("startOrEnd", { $0.startOrEnd(node.at) }),
                ("step", { $0.duration(node.step) }), ("timestamp", { $0.timestamp(node.at) }),
                ("type", { $0.string("subquery") }),
            ])
        case .binary(let node): write(node)
        case .aggregation(let node):
            object([
                ("expr", { $0.write(node.expression) }), ("grouping", { $0.list(node.labels) { $0.string($1) } }),
                ("op", { $0.string(node.operation.rawValue) }),
                (
                    "param",
                    { tree in if let parameter = node.parameter { tree.write(parameter) } else { tree.text("null") } }
                ),
                ("type", { $0.string("aggregation") }), ("without", { $0.text("\(node.isWithout)") }),
            ])
        case .call(let node):
            let function = node.function
            object([
                ("args", { $0.list(node.arguments) { $0.write($1) } }),
                (
                    "func",
                    {
                        $0.object([
                            ("argTypes", { $0.list(function.argumentTypes) { $0.string($1.rawValue) } }),
                            ("name", { $0.string(function.name) }),
                            ("returnType", { $0.string(function.returnType.rawValue) }),
                            ("variadic", { $0.text("\(function.variadic)") }),
                        ])
                    }
                ), ("type", { $0.string("call") }),
            ])
        }
    }

    private mutating func write(_ node: BinaryOperation) {
        object([
            ("bool", { $0.text("\(node.returnsBool)") }), ("lhs", { $0.write(node.left) }),
            (
                "matching",
                { tree in
                    guard let matching = node.matching else { return tree.text("null") }
                    tree.object([
                        ("card", { $0.string(matching.cardinality.rawValue) }),
                        ("include", { $0.list(matching.included) { $0.string($1) } }),
                        ("labels", { $0.list(matching.labels) { $0.string($1) } }),
                        ("on", { $0.text("\(matching.isOn)") }),
                    ])
                }
            ), ("op", { $0.string(node.operation.rawValue) }), ("rhs", { $0.write(node.right) }),
            ("type", { $0.string("binaryExpr") }),
        ])
    }

    private func members(
        _ selector: VectorSelector, range: DurationExpression? = nil
    ) -> [(String, (inout TreeBytes) -> Void)] {
        var members: [(String, (inout TreeBytes) -> Void)] = [
            (
                "matchers",
                {
                    $0.list(selector.matchers) { tree, matcher in
                        tree.object([
                            ("name", { $0.string(matcher.name) }),
                            ("type", { $0.string(matcher.operation.rawValue) }),
                            ("value", { $0.string(matcher.value) }),
                        ])
                    }
                }
            ), ("name", { $0.string(selector.name) }), ("offset", { $0.duration(selector.offset) }),
        ]
        if let range { members.append(("range", { $0.duration(range) })) }
        return members + [
            ("startOrEnd", { $0.startOrEnd(selector.at) }), ("timestamp", { $0.timestamp(selector.at) }),
        ]
    }

    /// Milliseconds; durations that only a query settles are 0.
    private mutating func duration(_ duration: DurationExpression?) {
        text("\(Int64((duration?.literalSeconds ?? 0) * 1000))")
    }

    private mutating func startOrEnd(_ at: AtModifier?) {
        switch at {
        case .start: string("start")
        case .end: string("end")
        case .time, nil: text("null")
        }
    }

    private mutating func timestamp(_ at: AtModifier?) {
        if case .time(let milliseconds) = at { text("\(milliseconds)") } else { text("null") }
    }
}
