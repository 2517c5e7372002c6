/// The operators between two expressions.
package enum BinaryOperator: String, Sendable, Hashable, CaseIterable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case modulo = "%"
    case power = "^"
    case arcTangent = "atan2"
    case equal = "=="
    case notEqual = "!="
    case greater = ">"
    case less = "<"
    case greaterOrEqual = ">="
    case lessOrEqual = "<="
    case and
    case or
    case unless

    package var isComparison: Bool {
        switch self {
        case .equal, .notEqual, .greater, .less, .greaterOrEqual, .lessOrEqual: true
        default: false
        }
    }
    package var isSetOperator: Bool { self == .and || self == .or || self == .unless }

    /// Higher binds tighter; only `^` groups to the right.
    var precedence: Int {
        switch self {
        case .or: 1
        case .and, .unless: 2
        case .equal, .notEqual, .greater, .less, .greaterOrEqual, .lessOrEqual: 3
        case .add, .subtract: 4
        case .multiply, .divide, .modulo, .arcTangent: 5
        case .power: Self.powerPrecedence
        }
    }
    static let powerPrecedence = 6
}

package enum AggregationOperator: String, Sendable, Hashable, CaseIterable {
    case sum, avg, count, min, max, group, stddev, stdvar, topk, bottomk, quantile, limitk
    case countValues = "count_values"
    case limitRatio = "limit_ratio"

    package var takesParameter: Bool {
        switch self {
        case .topk, .bottomk, .countValues, .quantile, .limitk, .limitRatio: true
        default: false
        }
    }
    package var isExperimental: Bool { self == .limitk || self == .limitRatio }
}

/// Words with a meaning in some places; in others they may be names.
enum Keyword: String, Sendable, CaseIterable {
    case by, without, on, ignoring, bool, offset, smoothed, anchored, fill, start, end, step, range
    case groupLeft = "group_left"
    case groupRight = "group_right"
    case fillLeft = "fill_left"
    case fillRight = "fill_right"

    var mayBeMetricName: Bool {
        switch self {
        case .on, .ignoring, .bool, .groupLeft, .groupRight: false
        default: true
        }
    }
    /// Prometheus prints true keywords in angle brackets.
    var isPrintedInBrackets: Bool {
        switch self {
        case .start, .end, .step, .range: false
        default: true
        }
    }
}
