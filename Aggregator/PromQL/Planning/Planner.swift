import Telemetry

/// Turns a checked syntax tree into a plan for one query.
struct Planner {
    /// Milliseconds; of an instant query start and end are equal and the step is 0.
    let start: Int64
    let end: Int64
    let step: Int64
    let options: QueryOptions

    /// Milliseconds; some 73 million years.
    static let timeMax: Int64 = 1 << 61

    struct Planned {
        var plan: Plan
        /// Whether every step gives the same.
        var isInvariant: Bool
    }

    func plan(_ expression: Expression) throws(QueryError) -> Plan { wrapped(try planned(expression, nil)) }

    /// Constants are cheap at every step.
    private func wrapped(_ planned: Planned) -> Plan {
        if case .constant = planned.plan { return planned.plan }
        return planned.isInvariant ? .invariant(planned.plan) : planned.plan
    }

    /// - Parameter function: the function or aggregation right around the expression.
    func planned(_ expression: Expression, _ function: String?) throws(QueryError) -> Planned {
        switch expression {
        case .number(let literal): return Planned(plan: .constant(literal.value), isInvariant: true)
        case .string, .range, .subquery:
            throw QueryError(.execution, "a \(expression.type.documentedName) cannot stand here")
        case .parenthesized(let inner, _): return try planned(inner, function)
        case .selector(let selector):
            let plan = try selectorPlan(selector, function)
            return Planned(plan: .selector(plan), isInvariant: plan.at != nil)
        case .unary(let node):
            let operand = try planned(node.operand, function)
            guard node.isNegation else { return operand }
            let isScalar = node.operand.type == .scalar
            return Planned(
                plan: isScalar ? .negatedScalar(operand.plan) : .negatedVector(operand.plan),
                isInvariant: operand.isInvariant)
        case .binary(let node): return try planned(node)
        case .aggregation(let node): return try planned(node)
        case .call(let call): return try CallPlanner(planner: self, call: call).planned()
        }
    }

    /// Plans operands that are not all invariant: those that are get computed once.
    func combined(_ operands: [Planned], _ make: ([Plan]) -> Plan) -> Planned {
        let isInvariant = operands.allSatisfy(\.isInvariant)
        return Planned(
            plan: make(operands.map { isInvariant ? $0.plan : wrapped($0) }), isInvariant: isInvariant)
    }

    private func planned(_ node: BinaryOperation) throws(QueryError) -> Planned {
        let left = try planned(node.left, nil)
        let right = try planned(node.right, nil)
        let operation = node.operation
        return combined([left, right]) { operands in
            switch (node.left.type, node.right.type) {
            case (.scalar, .scalar): return .scalarOperation(operation, operands[0], operands[1])
            case (.vector, .scalar):
                return .vectorScalarOperation(
                    operation, vector: operands[0], scalar: operands[1], isScalarLeft: false,
                    returnsBool: node.returnsBool)
            case (.scalar, _):
                return .vectorScalarOperation(
                    operation, vector: operands[1], scalar: operands[0], isScalarLeft: true,
                    returnsBool: node.returnsBool)
            default:
                let matching = node.matching ?? VectorMatching()
                return operation.isSetOperator
                    ? .setOperation(operation, operands[0], operands[1], matching)
                    : .vectorOperation(operation, operands[0], operands[1], matching, returnsBool: node.returnsBool)
            }
        }
    }

    private func planned(_ node: Aggregation) throws(QueryError) -> Planned {
        let expression = node.expression.unwrapped
        let input = try planned(expression, node.operation.rawValue)
        var parameter: Planned?
        var valueLabel = ""
        let parameterExpression = node.parameter?.unwrapped
        if let parameterExpression {
            if case .string(let literal) = parameterExpression {
                guard literal.isValid, !literal.bytes.isEmpty else {
                    throw QueryError(.execution, "invalid label name \(GoText.quoted(bytes: literal.bytes))")
                }
                valueLabel = literal.value
            } else {
                parameter = try planned(parameterExpression, nil)
            }
        }
        let plan = AggregationPlan(
            operation: node.operation, input: input.plan, parameter: parameter?.plan, valueLabel: valueLabel,
            labels: node.labels, isWithout: node.isWithout, inputSpan: expression.span,
            parameterSpan: parameterExpression?.span ?? node.span)
        return combined([input] + (parameter.map { [$0] } ?? [])) { operands in
            var plan = plan
            plan.input = operands[0]
            if operands.count > 1 { plan.parameter = operands[1] }
            return .aggregation(plan)
        }
    }

    // MARK: Selectors

    func selectorPlan(_ selector: VectorSelector, _ function: String?) throws(QueryError) -> SelectorPlan {
        SelectorPlan(
            matchers: selector.matchers, offset: try milliseconds(selector.offset), at: time(of: selector.at),
            windowExtension: selector.windowExtension, hintFunction: function)
    }

    /// - Returns: the range vector and whether its window is the same at every step.
    func rangeInput(
        _ expression: Expression, _ function: String
    ) throws(QueryError) -> (input: RangeInput, isInvariant: Bool) {
        switch expression.unwrapped {
        case .range(let node):
            let window = try milliseconds(node.range)
            try checkWindow(window)
            let plan = try selectorPlan(node.selector, function)
            return (.selector(plan, window: window), plan.at != nil)
        case .subquery(let node):
            let window = try milliseconds(node.range)
            try checkWindow(window)
            let step = node.step == nil ? options.defaultSubqueryStep : try milliseconds(node.step)
            try checkWindow(step)
            let plan = SubqueryPlan(
                expression: wrapped(try planned(node.expression, nil)), step: step,
                offset: try milliseconds(node.offset), at: time(of: node.at))
            return (.subquery(plan, window: window), plan.at != nil)
        default: throw QueryError(.execution, "a range vector was expected")
        }
    }

    private func checkWindow(_ milliseconds: Int64) throws(QueryError) {
        guard milliseconds > 0 else { throw QueryError(.execution, "duration must be greater than 0") }
    }

    /// Far times are cut to ``timeMax``, so that no arithmetic overflows.
    private func time(of at: AtModifier?) -> Int64? {
        switch at {
        case nil: nil
        case .time(let time): min(max(time, -Self.timeMax), Self.timeMax)
        case .start: start
        case .end: end
        }
    }

    // MARK: Durations

    func milliseconds(_ duration: DurationExpression?) throws(QueryError) -> Int64 {
        guard let duration else { return 0 }
        let seconds = try seconds(duration)
        guard seconds.isFinite, abs(seconds) <= 0x1p63 / 1e9 else {
            throw QueryError(.execution, "duration is out of range")
        }
        // Durations are whole milliseconds; other numbers are cut off, as Prometheus does.
        if case .literal(let literal) = duration, literal.isDuration { return Int64((seconds * 1000).rounded()) }
        return Int64(seconds * 1000)
    }

    private func seconds(_ duration: DurationExpression) throws(QueryError) -> Double {
        switch duration {
        case .literal(let literal): return literal.value
        case .step: return Double(step) / 1000
        case .range: return Double(end - start) / 1000
        case .negated(let inner, _): return -(try seconds(inner))
        case .parenthesized(let inner, _): return try seconds(inner)
        case .least(let one, let other, _): return min(try seconds(one), try seconds(other))
        case .greatest(let one, let other, _): return max(try seconds(one), try seconds(other))
        case .binary(let operation, let left, let right):
            let right = try seconds(right)
            if right == 0, operation == .divide { throw QueryError(.execution, "division by zero") }
            if right == 0, operation == .modulo { throw QueryError(.execution, "modulo by zero") }
            return Arithmetic.apply(operation, try seconds(left), right)
        }
    }
}
