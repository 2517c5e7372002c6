/// Parts of the language that Prometheus keeps behind feature flags.
package struct ParserOptions: Sendable, Hashable {
    /// Functions and aggregations that Prometheus calls experimental.
    package var allowsExperimentalFunctions: Bool
    /// Arithmetic, `step()`, `range()`, `min` and `max` in durations.
    package var allowsDurationExpressions: Bool
    /// `anchored` and `smoothed`.
    package var allowsExtendedRanges: Bool
    /// `fill`, `fill_left`, `fill_right`.
    package var allowsFill: Bool

    package init(
        allowsExperimentalFunctions: Bool = false, allowsDurationExpressions: Bool = false,
        allowsExtendedRanges: Bool = false, allowsFill: Bool = false
    ) {
        self.allowsExperimentalFunctions = allowsExperimentalFunctions
        self.allowsDurationExpressions = allowsDurationExpressions
        self.allowsExtendedRanges = allowsExtendedRanges
        self.allowsFill = allowsFill
    }

    package static let stable = ParserOptions()
    package static let all = ParserOptions(
        allowsExperimentalFunctions: true, allowsDurationExpressions: true, allowsExtendedRanges: true,
        allowsFill: true)
}
