package import Telemetry

/// What an expression yields.
package enum ValueType: String, Sendable, Hashable {
    case none, vector, scalar, matrix, string

    /// As the documentation calls it.
    package var documentedName: String {
        switch self {
        case .vector: "instant vector"
        case .matrix: "range vector"
        default: rawValue
        }
    }
}

/// The syntax tree of a PromQL expression.
package indirect enum Expression: Sendable {
    case number(NumberLiteral)
    case string(StringLiteral)
    case selector(VectorSelector)
    case range(RangeSelector)
    case subquery(Subquery)
    case unary(UnaryOperation)
    case binary(BinaryOperation)
    case aggregation(Aggregation)
    case call(FunctionCall)
    case parenthesized(Expression, SourceSpan)

    package var span: SourceSpan {
        switch self {
        case .number(let node): node.span
        case .string(let node): node.span
        case .selector(let node): node.span
        case .range(let node): node.span
        case .subquery(let node): node.span
        case .unary(let node): node.span
        case .binary(let node): node.left.span.through(node.right.span)
        case .aggregation(let node): node.span
        case .call(let node): node.span
        case .parenthesized(_, let span): span
        }
    }

    package var type: ValueType {
        switch self {
        case .number: .scalar
        case .string: .string
        case .selector, .aggregation: .vector
        case .range, .subquery: .matrix
        case .unary(let node): node.operand.type
        case .binary(let node): node.left.type == .scalar && node.right.type == .scalar ? .scalar : .vector
        case .call(let node): node.function.returnType
        case .parenthesized(let inner, _): inner.type
        }
    }

    /// Without the parentheses around it.
    package var unwrapped: Expression {
        var expression = self
        while case .parenthesized(let inner, _) = expression { expression = inner }
        return expression
    }
}

package struct NumberLiteral: Sendable {
    package var value: Double
    /// Written as a duration; then the value is in seconds.
    package var isDuration = false
    package var span: SourceSpan
}

package struct StringLiteral: Sendable {
    /// May be no valid UTF-8, through `\x` escapes.
    package var bytes: [UInt8]
    package var span: SourceSpan
    package var value: String { String(decoding: bytes, as: UTF8.self) }
    package var isValid: Bool { String(validating: bytes, as: UTF8.self) != nil }
}

/// `@ 1609746000`, `@ start()`, `@ end()`.
package enum AtModifier: Sendable, Hashable {
    /// Milliseconds.
    case time(Int64)
    case start, end
}

/// How a selector treats samples around its window (experimental).
package enum WindowExtension: String, Sendable, Hashable { case anchored, smoothed }

/// A duration as written: a plain one, or arithmetic of plain ones (experimental).
package indirect enum DurationExpression: Sendable {
    case literal(NumberLiteral)
    /// The step and the range of the query.
    case step(SourceSpan)
    case range(SourceSpan)
    case negated(DurationExpression, SourceSpan)
    case binary(BinaryOperator, DurationExpression, DurationExpression)
    case least(DurationExpression, DurationExpression, SourceSpan)
    case greatest(DurationExpression, DurationExpression, SourceSpan)
    case parenthesized(DurationExpression, SourceSpan)

    package var span: SourceSpan {
        switch self {
        case .literal(let literal): literal.span
        case .step(let span), .range(let span), .negated(_, let span), .least(_, _, let span),
            .greatest(_, _, let span), .parenthesized(_, let span):
            span
        case .binary(_, let left, let right): left.span.through(right.span)
        }
    }

    /// The value when it is a plain duration or number, seconds.
    package var literalSeconds: Double? {
        switch self {
        case .literal(let literal): literal.value
        case .negated(let inner, _): inner.literalSeconds.map { -$0 }
        default: nil
        }
    }
}

package struct VectorSelector: Sendable {
    /// The name before the braces; empty when there is none.
    package var name: String
    /// Those in braces, then the one for `name`.
    package var matchers: [LabelMatcher]
    package var offset: DurationExpression?
    package var at: AtModifier?
    package var windowExtension: WindowExtension?
    package var span: SourceSpan
    /// Selects labels, not series, in `info`'s second argument: then it may match everything.
    package var mayMatchAll = false
}

/// `selector[5m]`.
package struct RangeSelector: Sendable {
    package var selector: VectorSelector
    package var range: DurationExpression
    package var span: SourceSpan
}

/// `expression[1h:5m]`.
package struct Subquery: Sendable {
    package var expression: Expression
    package var range: DurationExpression
    /// nil: the default step.
    package var step: DurationExpression?
    package var offset: DurationExpression?
    package var at: AtModifier?
    package var span: SourceSpan
}

package struct UnaryOperation: Sendable {
    package var isNegation: Bool
    package var operand: Expression
    package var span: SourceSpan
}

/// Which series of both sides belong together.
package struct VectorMatching: Sendable, Hashable {
    package enum Cardinality: String, Sendable {
        case oneToOne = "one-to-one"
        case manyToOne = "many-to-one"
        case oneToMany = "one-to-many"
        case manyToMany = "many-to-many"
    }
    package var cardinality = Cardinality.oneToOne
    package var labels: [String] = []
    /// `on(labels)`, otherwise `ignoring(labels)`.
    package var isOn = false
    /// Labels taken from the side that is one: `group_left(labels)`.
    package var included: [String] = []
    /// What stands in for a sample that one side lacks (experimental).
    package var leftFill: Double?
    package var rightFill: Double?
}

package struct BinaryOperation: Sendable {
    package var operation: BinaryOperator
    package var left: Expression
    package var right: Expression
    package var returnsBool: Bool
    /// nil unless both sides are vectors.
    package var matching: VectorMatching?
    /// Of the operator with its modifiers.
    package var operatorSpan: SourceSpan
}

package struct Aggregation: Sendable {
    package var operation: AggregationOperator
    package var expression: Expression
    package var parameter: Expression?
    package var labels: [String]
    package var isWithout: Bool
    package var span: SourceSpan
}

package struct FunctionCall: Sendable {
    package var function: Function
    package var arguments: [Expression]
    package var span: SourceSpan
}
