import Telemetry

/// Plans one function call.
struct CallPlanner {
    let planner: Planner
    let call: FunctionCall

    private var name: String { call.function.name }
    private var arguments: [Expression] { call.arguments.map(\.unwrapped) }

    func planned() throws(QueryError) -> Planner.Planned {
        if let constant { return Planner.Planned(plan: .constant(constant), isInvariant: true) }
        if call.function.argumentTypes.contains(.matrix) { return try plannedRange() }
        if let field = CalendarField(rawValue: name) { return try planned(field) }
        if let function = ElementFunction(name: name, arguments: arguments.count) {
            return try map { .element(function, $0[0], parameters: Array($0.dropFirst())) }
        }
        switch name {
        case "time": return Planner.Planned(plan: .time, isInvariant: false)
        case "scalar": return try map { .scalarOfVector($0[0]) }
        case "vector": return try map { .vectorOfScalar($0[0]) }
        case "min_of": return try map { .extreme(isMax: false, $0[0], $0[1]) }
        case "max_of": return try map { .extreme(isMax: true, $0[0], $0[1]) }
        case "timestamp": return try plannedTimestamp()
        case "absent":
            let labels = absentLabels(arguments[0])
            return try map { .absent($0[0], labels) }
        case "sort": return try map { .sort($0[0], .ascending) }
        case "sort_desc": return try map { .sort($0[0], .descending) }
        case "sort_by_label", "sort_by_label_desc":
            let labels = arguments.dropFirst().map(text)
            let isDescending = name == "sort_by_label_desc"
            return try map(first: 1) { .sort($0[0], .labels(labels, descending: isDescending)) }
        case "label_replace": return try plannedReplacement()
        case "label_join": return try plannedJoin()
        case "histogram_quantile", "histogram_fraction", "histogram_quantiles": return try plannedHistogram()
        case "info": return try plannedInfo()
        default: return try map { .ofNativeHistograms($0[0]) }
        }
    }

    private func map(first count: Int? = nil, _ make: ([Plan]) -> Plan) throws(QueryError) -> Planner.Planned {
        var operands: [Planner.Planned] = []
        for argument in arguments.prefix(count ?? arguments.count) {
            operands.append(try planner.planned(argument, name))
        }
        return planner.combined(operands, make)
    }

    /// What depends on the query alone.
    private var constant: Double? {
        switch name {
        case "pi": .pi
        case "start": Double(planner.start) / 1000
        case "end": Double(planner.end) / 1000
        case "step": Double(planner.step) / 1000
        case "range": Double(planner.end - planner.start) / 1000
        default: nil
        }
    }

    private func text(_ argument: Expression) -> String {
        if case .string(let literal) = argument { literal.value } else { "" }
    }

    /// Without an argument the step's time counts, so it is never invariant.
    private func planned(_ field: CalendarField) throws(QueryError) -> Planner.Planned {
        guard let argument = arguments.first else {
            return Planner.Planned(plan: .calendar(field, nil), isInvariant: false)
        }
        let operand = try planner.planned(argument, name)
        return planner.combined([operand]) { .calendar(field, $0[0]) }
    }

    private func plannedTimestamp() throws(QueryError) -> Planner.Planned {
        if case .selector(let selector) = arguments[0], selector.windowExtension != .smoothed {
            let plan = try planner.selectorPlan(selector, name)
            return Planner.Planned(plan: .timestampOfSelector(plan), isInvariant: plan.at != nil)
        }
        // The timestamp of a computed sample is the step's time.
        let operand = try planner.planned(arguments[0], name)
        let plan: Plan
        if operand.isInvariant { plan = .invariant(operand.plan) } else { plan = operand.plan }
        return Planner.Planned(plan: .timestampOfVector(plan), isInvariant: false)
    }

    private func plannedRange() throws(QueryError) -> Planner.Planned {
        guard let index = call.function.argumentTypes.firstIndex(of: .matrix) else {
            throw QueryError(.execution, "a range vector was expected")
        }
        let (input, isInputInvariant) = try planner.rangeInput(arguments[index], name)
        if name == "absent_over_time" {
            return Planner.Planned(
                plan: .absentOverTime(input, absentLabels(arguments[index])), isInvariant: isInputInvariant)
        }
        guard let function = RangeFunction(rawValue: name) else {
            throw QueryError(.execution, "unknown function \(name)")
        }
        if case .selector(let selector, _) = input, let windowExtension = selector.windowExtension {
            let allowed = RangeFunction.allowed(with: windowExtension)
            guard allowed.contains(function) else {
                let names = allowed.map(\.rawValue).sorted().joined(separator: ", ")
                throw QueryError(
                    .execution,
                    "\(windowExtension.rawValue) modifier can only be used with: \(names) - not with \(name)")
            }
        }
        var parameters: [Planner.Planned] = []
        var spans: [SourceSpan] = []
        for (position, argument) in arguments.enumerated() where position != index {
            parameters.append(try planner.planned(argument, nil))
            spans.append(argument.span)
        }
        // A prediction is relative to the step's time.
        let isInvariant =
            isInputInvariant && function != .predictLinear && parameters.allSatisfy(\.isInvariant)
        let plan = RangeCallPlan(
            function: function, input: input, parameters: parameters.map(\.plan), inputSpan: arguments[index].span,
            parameterSpans: spans)
        return Planner.Planned(plan: .rangeCall(plan), isInvariant: isInvariant)
    }

    private func plannedReplacement() throws(QueryError) -> Planner.Planned {
        let texts = arguments.dropFirst().map(text)
        let pattern: CapturingPattern
        do {
            pattern = try CapturingPattern(texts[3])
        } catch {
            throw QueryError(
                .execution, "invalid regular expression in label_replace(): \(texts[3])")
        }
        try checkLabel(arguments[1], "destination", "label_replace")
        let replacement = LabelReplacement(
            target: texts[0], replacement: texts[1], source: texts[2], pattern: pattern)
        return try map(first: 1) { .labelReplace($0[0], replacement) }
    }

    private func plannedJoin() throws(QueryError) -> Planner.Planned {
        let texts = arguments.dropFirst().map(text)
        for argument in arguments.dropFirst(3) { try checkLabel(argument, "source", "label_join") }
        try checkLabel(arguments[1], "destination", "label_join")
        return try map(first: 1) {
            .labelJoin($0[0], target: texts[0], separator: texts[1], sources: Array(texts.dropFirst(2)))
        }
    }

    private func checkLabel(_ argument: Expression, _ role: String, _ function: String) throws(QueryError) {
        guard case .string(let literal) = argument, literal.isValid, !literal.bytes.isEmpty else {
            throw QueryError(.execution, "invalid \(role) label name in \(function)(): \(text(argument))")
        }
    }

    private func plannedHistogram() throws(QueryError) -> Planner.Planned {
        let kind: HistogramPlan.Kind
        let inputIndex: Int
        var parameterIndexes: [Int]
        switch name {
        case "histogram_quantile": (kind, inputIndex, parameterIndexes) = (.quantile, 1, [0])
        case "histogram_fraction": (kind, inputIndex, parameterIndexes) = (.fraction, 2, [0, 1])
        default:
            (kind, inputIndex) = (.quantiles(label: text(arguments[1])), 0)
            parameterIndexes = Array(2..<arguments.count)
        }
        var operands = [try planner.planned(arguments[inputIndex], name)]
        for index in parameterIndexes { operands.append(try planner.planned(arguments[index], nil)) }
        let inputSpan = arguments[inputIndex].span
        let spans = parameterIndexes.map { arguments[$0].span }
        return planner.combined(operands) {
            .histogram(
                HistogramPlan(
                    kind: kind, input: $0[0], parameters: Array($0.dropFirst()), inputSpan: inputSpan,
                    parameterSpans: spans))
        }
    }

    private func plannedInfo() throws(QueryError) -> Planner.Planned {
        var plan = InfoPlan(matchers: [], offset: 0, at: nil)
        if arguments.count > 1, case .selector(let selector) = arguments[1] { plan.matchers = selector.matchers }
        if let selector = firstSelector(arguments[0]) {
            let selectorPlan = try planner.selectorPlan(selector, name)
            plan.offset = selectorPlan.offset
            plan.at = selectorPlan.at
        }
        let operand = try planner.planned(arguments[0], name)
        return Planner.Planned(
            plan: .info(operand.isInvariant ? .invariant(operand.plan) : operand.plan, plan), isInvariant: false)
    }

    private func firstSelector(_ expression: Expression) -> VectorSelector? {
        switch expression {
        case .selector(let selector): return selector
        case .range(let node): return node.selector
        case .subquery(let node): return firstSelector(node.expression)
        case .unary(let node): return firstSelector(node.operand)
        case .binary(let node): return firstSelector(node.left) ?? firstSelector(node.right)
        case .aggregation(let node): return firstSelector(node.expression)
        case .call(let node): return node.arguments.lazy.compactMap(firstSelector).first
        case .parenthesized(let inner, _): return firstSelector(inner)
        case .number, .string: return nil
        }
    }

    /// The labels that a selector fixes by `=`, each once; what it names more than once is left out.
    private func absentLabels(_ expression: Expression) -> LabelSet {
        let matchers: [LabelMatcher]
        switch expression {
        case .selector(let selector): matchers = selector.matchers
        case .range(let node): matchers = node.selector.matchers
        default: return .empty
        }
        var result = LabelSet.empty
        var seen = Set<String>()
        for matcher in matchers where matcher.name != SeriesKey.nameLabel {
            let isFirst = matcher.operation == .equal && seen.insert(matcher.name).inserted
            result = result.setting(matcher.name, to: isFirst ? matcher.value : "")
        }
        return result
    }
}
