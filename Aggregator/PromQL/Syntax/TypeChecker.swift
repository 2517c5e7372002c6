import Telemetry

/// Checks that operators and functions get what they take, and settles what depends on types (the matching of binary
/// operations). Finds the first fault in the order of the text's tree.
struct TypeChecker {
    @discardableResult
    func check(_ expression: inout Expression) throws(SyntaxProblem) -> ValueType {
        switch expression {
        case .number, .string: break
        case .selector(let selector): try check(selector)
        case .range(let range): try check(range.selector)
        case .subquery(var node):
            let type = try check(&node.expression)
            guard type == .vector else {
                throw SyntaxProblem(
                    node.span, "subquery is only allowed on instant vector, got \(type.rawValue) instead")
            }
            expression = .subquery(node)
        case .parenthesized(var inner, let span):
            try check(&inner)
            expression = .parenthesized(inner, span)
        case .unary(var node):
            let type = try check(&node.operand)
            guard type == .scalar || type == .vector else {
                throw SyntaxProblem(
                    node.span,
                    "unary expression only allowed on expressions of type scalar or instant vector, got "
                        + GoText.quoted(type.documentedName))
            }
            expression = .unary(node)
        case .aggregation(var node):
            try check(&node)
            expression = .aggregation(node)
        case .binary(var node):
            try check(&node)
            expression = .binary(node)
        case .call(var node):
            try check(&node)
            expression = .call(node)
        }
        return expression.type
    }

    private func check(_ selector: VectorSelector) throws(SyntaxProblem) {
        guard selector.name.isEmpty else {
            if let other = selector.matchers.dropLast().first(where: { $0.name == SeriesKey.nameLabel }) {
                throw SyntaxProblem(
                    selector.span,
                    "metric name must not be set twice: \(GoText.quoted(selector.name)) or "
                        + GoText.quoted(other.value))
            }
            return
        }
        guard selector.mayMatchAll || selector.matchers.contains(where: { !$0.isSatisfied(by: "") }) else {
            throw SyntaxProblem(selector.span, "vector selector must contain at least one non-empty matcher")
        }
    }

    private func expect(
        _ expression: inout Expression, _ wanted: ValueType, in context: String
    ) throws(SyntaxProblem) {
        let type = try check(&expression)
        guard type == wanted else {
            throw SyntaxProblem(
                expression.span,
                "expected type \(wanted.documentedName) in \(context), got \(type.documentedName)")
        }
    }

    private func check(_ node: inout Aggregation) throws(SyntaxProblem) {
        try expect(&node.expression, .vector, in: "aggregation expression")
        guard var parameter = node.parameter else { return }
        try expect(
            &parameter, node.operation == .countValues ? .string : .scalar, in: "aggregation parameter")
        node.parameter = parameter
    }

    private func check(_ node: inout BinaryOperation) throws(SyntaxProblem) {
        let left = try check(&node.left)
        let right = try check(&node.right)
        let operation = node.operation
        let span = node.left.span.through(node.right.span)
        let name = GoText.quoted(operation.rawValue)
        var matching = node.matching ?? VectorMatching()
        if node.returnsBool, !operation.isComparison {
            throw SyntaxProblem(node.operatorSpan, "bool modifier can only be used on comparison operators")
        }
        if operation.isComparison, !node.returnsBool, left == .scalar, right == .scalar {
            throw SyntaxProblem(node.operatorSpan, "comparisons between scalars must use BOOL modifier")
        }
        if operation.isSetOperator, matching.cardinality == .oneToOne { matching.cardinality = .manyToMany }
        if matching.isOn, let label = matching.labels.first(where: matching.included.contains) {
            throw SyntaxProblem(
                node.operatorSpan, "label \(GoText.quoted(label)) must not occur in ON and GROUP clause at once")
        }
        for (type, side) in [(left, node.left), (right, node.right)] where type != .scalar && type != .vector {
            throw SyntaxProblem(side.span, "binary expression must contain only scalar and instant vector types")
        }
        let hasFill = matching.leftFill != nil || matching.rightFill != nil
        guard left == .vector, right == .vector else {
            if !matching.labels.isEmpty {
                throw SyntaxProblem(span, "vector matching only allowed between instant vectors")
            }
            if hasFill {
                throw SyntaxProblem(span, "filling in missing series only allowed between instant vectors")
            }
            if operation.isSetOperator {
                throw SyntaxProblem(span, "set operator \(name) not allowed in binary scalar expression")
            }
            node.matching = nil
            return
        }
        if operation.isSetOperator {
            if matching.cardinality != .manyToMany {
                throw SyntaxProblem(span, "no grouping allowed for \(name) operation")
            }
            if hasFill { throw SyntaxProblem(span, "filling in missing series not allowed for set operators") }
        }
        node.matching = matching
    }

    private func check(_ node: inout FunctionCall) throws(SyntaxProblem) {
        let function = node.function
        let types = function.argumentTypes
        let count = node.arguments.count
        let name = GoText.quoted(function.name)
        if function.variadic == 0 {
            guard count == types.count else {
                throw SyntaxProblem(
                    node.span, "expected \(types.count) argument(s) in call to \(name), got \(count)")
            }
        } else {
            let least = types.count - 1
            guard count >= least else {
                throw SyntaxProblem(
                    node.span, "expected at least \(least) argument(s) in call to \(name), got \(count)")
            }
            let most = least + function.variadic
            if function.variadic > 0, count > most {
                throw SyntaxProblem(
                    node.span, "expected at most \(most) argument(s) in call to \(name), got \(count)")
            }
        }
        if function.name == "info", count > 1 {
            guard case .selector(var selector) = node.arguments[1] else {
                throw SyntaxProblem(node.arguments[1].span, "expected label selectors only")
            }
            guard selector.name.isEmpty else {
                throw SyntaxProblem(
                    selector.span, "expected label selectors only, got vector selector instead")
            }
            selector.mayMatchAll = true
            node.arguments[1] = .selector(selector)
        }
        for index in node.arguments.indices {
            let wanted = types[min(index, types.count - 1)]
            let type = try check(&node.arguments[index])
            guard type == wanted else {
                throw SyntaxProblem(
                    node.arguments[index].span,
                    "expected type \(wanted.documentedName) in call to function \(name), "
                        + "got \(type.documentedName)")
            }
        }
    }
}
