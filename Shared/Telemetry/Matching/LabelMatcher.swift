/// One condition on a series' labels, as in a PromQL selector. An absent label counts as the empty value.
package struct LabelMatcher: Sendable, Hashable {
    package enum Operation: String, Sendable, Hashable {
        case equal = "="
        case notEqual = "!="
        case matches = "=~"
        case notMatches = "!~"
    }
    package let name: String
    package let operation: Operation
    package let value: String
    private let pattern: AnchoredPattern?

    /// - Throws: ``PatternError`` with the position when `value` is no valid pattern. Only for `=~` and `!~`.
    package init(_ name: String, _ operation: Operation, _ value: String) throws(PatternError) {
        self.name = name
        self.operation = operation
        self.value = value
        pattern = operation == .matches || operation == .notMatches ? try AnchoredPattern(value) : nil
    }

    private init(name: String, equal value: String) {
        self.name = name
        operation = .equal
        self.value = value
        pattern = nil
    }

    package static func equal(_ name: String, _ value: String) -> LabelMatcher {
        LabelMatcher(name: name, equal: value)
    }

    /// - Complexity: O(value) for equality, O(value × pattern) for patterns; no backtracking.
    package func isSatisfied(by candidate: String) -> Bool {
        switch operation {
        case .equal: candidate == value
        case .notEqual: candidate != value
        case .matches: pattern?.matches(candidate) ?? false
        case .notMatches: !(pattern?.matches(candidate) ?? true)
        }
    }

    /// The only values that can satisfy this matcher, when they are few and known: `=` and `a|b|c`.
    package var candidateValues: [String]? {
        switch operation {
        case .equal: [value]
        case .matches: pattern?.literals
        case .notEqual, .notMatches: nil
        }
    }

    package static func == (left: LabelMatcher, right: LabelMatcher) -> Bool {
        left.name == right.name && left.operation == right.operation && left.value == right.value
    }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(operation)
        hasher.combine(value)
    }
}
