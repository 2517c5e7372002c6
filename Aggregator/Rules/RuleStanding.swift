package import Telemetry

/// A tenant's rules and how they fare, for those who look.
package struct RuleStanding: Sendable {
    package struct Group: Sendable {
        package var group: RuleGroup
        package var states: [RuleState]
        package var lastEvaluation: Timestamp?
        package var seconds: Double
        package var missedCount: Int

        package init(_ evaluator: GroupEvaluator) {
            group = evaluator.group
            states = evaluator.states
            lastEvaluation = evaluator.lastEvaluation
            seconds = evaluator.seconds
            missedCount = evaluator.schedule.missedCount
        }
    }
    /// By file, then in the file's order.
    package var groups: [Group]
    /// What is wrong with files whose former rules go on.
    package var problems: [RuleFileError]

    package init(groups: [Group] = [], problems: [RuleFileError] = []) {
        self.groups = groups
        self.problems = problems
    }
}
