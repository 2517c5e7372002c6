import Telemetry

/// `count_values`: one series per group and value.
struct ValueCounts {
    private let plan: AggregationPlan
    private let grouping: Grouping
    private var rows: [LabelSet: Int] = [:]
    private(set) var result: Frame

    init(_ plan: AggregationPlan, steps: Int) {
        self.plan = plan
        grouping = Grouping(
            plan.isWithout ? plan.labels : plan.labels + [plan.valueLabel], isWithout: plan.isWithout)
        result = Frame(steps: steps)
    }

    mutating func add(_ frame: Frame) {
        for row in 0..<frame.count {
            for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                let labels = grouping.key(
                    frame.labels[row].setting(plan.valueLabel, to: FloatText.plain(value)))
                let place = self.row(labels) * result.steps + step
                let count = result.values[place]
                result.values[place] = Frame.isAbsent(count) ? 1 : count + 1
            }
        }
    }

    private mutating func row(_ labels: LabelSet) -> Int {
        if let known = rows[labels] { return known }
        rows[labels] = result.count
        result.append(labels, dropsName: false, repeatElement(Frame.absent, count: result.steps))
        return result.count - 1
    }
}
