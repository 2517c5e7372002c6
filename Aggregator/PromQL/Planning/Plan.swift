import Telemetry

/// What is to be computed: the syntax tree with times resolved, functions looked up and parentheses gone.
indirect enum Plan: Sendable {
    // Scalars.
    case constant(Double)
    case time
    case negatedScalar(Plan)
    case scalarOperation(BinaryOperator, Plan, Plan)
    case scalarOfVector(Plan)
    /// `min_of` and `max_of`.
    case extreme(isMax: Bool, Plan, Plan)
    // Instant vectors.
    case vectorOfScalar(Plan)
    case selector(SelectorPlan)
    case timestampOfSelector(SelectorPlan)
    case timestampOfVector(Plan)
    case rangeCall(RangeCallPlan)
    case absentOverTime(RangeInput, LabelSet)
    case absent(Plan, LabelSet)
    case element(ElementFunction, Plan, parameters: [Plan])
    case calendar(CalendarField, Plan?)
    case negatedVector(Plan)
    case vectorScalarOperation(BinaryOperator, vector: Plan, scalar: Plan, isScalarLeft: Bool, returnsBool: Bool)
    case vectorOperation(BinaryOperator, Plan, Plan, VectorMatching, returnsBool: Bool)
    case setOperation(BinaryOperator, Plan, Plan, VectorMatching)
    case aggregation(AggregationPlan)
    case histogram(HistogramPlan)
    /// A function of native histograms; of floats it gives nothing.
    case ofNativeHistograms(Plan)
    case labelReplace(Plan, LabelReplacement)
    case labelJoin(Plan, target: String, separator: String, sources: [String])
    case sort(Plan, SortOrder)
    case info(Plan, InfoPlan)
    /// The same at every step: computed once.
    case invariant(Plan)
}

struct SelectorPlan: Sendable {
    var matchers: [LabelMatcher]
    /// Milliseconds into the past.
    var offset: Int64
    /// The time instead of the step's, milliseconds.
    var at: Int64?
    var windowExtension: WindowExtension?
    var hintFunction: String?

    /// Where the window of a step at `time` ends.
    @inline(__always) func end(at time: Int64) -> Int64 { (at ?? time) &- offset }
}

struct SubqueryPlan: Sendable {
    var expression: Plan
    /// Milliseconds.
    var step: Int64
    var offset: Int64
    var at: Int64?

    @inline(__always) func end(at time: Int64) -> Int64 { (at ?? time) &- offset }
}

/// A range vector and the width of its window, milliseconds.
enum RangeInput: Sendable {
    case selector(SelectorPlan, window: Int64)
    case subquery(SubqueryPlan, window: Int64)

    var window: Int64 {
        switch self {
        case .selector(_, let window), .subquery(_, let window): window
        }
    }
}

struct RangeCallPlan: Sendable {
    var function: RangeFunction
    var input: RangeInput
    var parameters: [Plan]
    /// Of the range vector and of the parameters, for annotations.
    var inputSpan: SourceSpan
    var parameterSpans: [SourceSpan]
}

struct AggregationPlan: Sendable {
    var operation: AggregationOperator
    var input: Plan
    var parameter: Plan?
    /// The label of `count_values`.
    var valueLabel: String
    var labels: [String]
    var isWithout: Bool
    var inputSpan: SourceSpan
    var parameterSpan: SourceSpan
}

struct HistogramPlan: Sendable {
    enum Kind: Sendable {
        /// One parameter: the quantile.
        case quantile
        /// Two parameters: the bounds.
        case fraction
        /// Many quantiles, told apart by a label.
        case quantiles(label: String)
    }
    var kind: Kind
    var input: Plan
    var parameters: [Plan]
    var inputSpan: SourceSpan
    var parameterSpans: [SourceSpan]
}

struct LabelReplacement: Sendable {
    var target: String
    var replacement: String
    var source: String
    var pattern: CapturingPattern
}

enum SortOrder: Sendable {
    case ascending, descending
    case labels([String], descending: Bool)
}

struct InfoPlan: Sendable {
    /// Conditions on the info series' labels, their name among them.
    var matchers: [LabelMatcher]
    /// Taken from the first selector of the enriched expression.
    var offset: Int64
    var at: Int64?
}
