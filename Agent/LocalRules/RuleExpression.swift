package import Telemetry

/// Which series a rule looks at: all whose labels satisfy every matcher.
package struct RuleSelector: Sendable, Equatable {
    package static let matchersMax = 16

    /// `__name__` among them, first where it is given.
    package let matchers: [LabelMatcher]

    /// - Complexity: O(matchers × labels); most series fail the first.
    package func matches(_ key: SeriesKey) -> Bool {
        for matcher in matchers where !matcher.isSatisfied(by: key[matcher.name] ?? "") { return false }
        return true
    }
}

/// A selector as a rule reads it.
package struct RuleOperand: Sendable, Equatable {
    package static let windowMilliseconds: ClosedRange<Int64> = 1000...3_600_000

    package var selector: RuleSelector
    /// `rate(…[window])`: increase per second within so many milliseconds; nil: the value as it is.
    package var rateWindow: Int64?
    /// `sum(…)`: all series together, as one without labels.
    package var isSum = false
}

/// What a rule computes of the series that it looks at.
package enum RuleExpression: Sendable, Equatable {
    case value(RuleOperand)
    /// Of series with the same labels but for the name, or of two sums.
    case ratio(RuleOperand, RuleOperand)
    /// Holds while no series is there.
    case absent(RuleSelector)

    /// Left, then right.
    package var operands: [RuleOperand] {
        switch self {
        case .value(let operand): [operand]
        case .ratio(let left, let right): [left, right]
        case .absent(let selector): [RuleOperand(selector: selector)]
        }
    }

    /// Whether there is one state for the whole, not one for each series.
    package var isSingle: Bool {
        if case .absent = self { return true }
        return operands.allSatisfy(\.isSum)
    }
}

/// A comparison with a constant.
package struct RuleCondition: Sendable, Equatable {
    package enum Operator: String, Sendable, CaseIterable {
        case lessOrEqual = "<=", less = "<", greaterOrEqual = ">=", greater = ">", equal = "==", notEqual = "!="
    }
    package var `operator`: Operator
    package var threshold: Double

    package init(operator: Operator, threshold: Double) {
        self.operator = `operator`
        self.threshold = threshold
    }

    package func holds(_ value: Double) -> Bool {
        switch `operator` {
        case .less: value < threshold
        case .lessOrEqual: value <= threshold
        case .greater: value > threshold
        case .greaterOrEqual: value >= threshold
        case .equal: value == threshold
        case .notEqual: value != threshold
        }
    }

    /// Whether `value` goes further beyond the threshold than `other`.
    package func isFurther(_ value: Double, than other: Double) -> Bool {
        switch `operator` {
        case .less, .lessOrEqual: value < other
        case .greater, .greaterOrEqual: value > other
        case .equal, .notEqual: false
        }
    }
}
