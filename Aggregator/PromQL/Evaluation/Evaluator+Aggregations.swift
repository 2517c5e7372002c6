import Telemetry

extension Evaluator {
    func aggregate(_ plan: AggregationPlan, _ grid: TimeGrid) throws(QueryError) -> Frame {
        let parameter = try plan.parameter.map { (inner) throws(QueryError) in try scalar(inner, grid) } ?? []
        try check(parameter, plan)
        let steps = grid.count
        switch plan.operation {
        case .sum: return try folded(plan, grid, SumAggregate(steps: steps))
        case .avg: return try folded(plan, grid, MeanAggregate(steps: steps))
        case .count, .min, .max, .group:
            return try folded(plan, grid, CellAggregate(steps: steps, plan.operation))
        case .stddev: return try folded(plan, grid, VarianceAggregate(steps: steps, isDeviation: true))
        case .stdvar: return try folded(plan, grid, VarianceAggregate(steps: steps, isDeviation: false))
        case .quantile: return try folded(plan, grid, QuantileAggregate(steps: steps, parameter))
        case .topk, .bottomk, .limitk, .limitRatio:
            if plan.operation != .limitRatio, parameter.allSatisfy({ $0 < 1 }) { return Frame(steps: steps) }
            var selection = RankSelection(plan, steps: steps, parameter)
            try eachChunk(plan.input, grid) { (frame) throws(QueryError) in
                let before = selection.sampleCount
                guard selection.add(frame, capacityMax: before + samplesLeft) else { throw tooManySamples }
                try hold(selection.sampleCount - before)
            }
            let held = selection.sampleCount
            let result = selection.result()
            release(held)
            try hold(result.sampleCount)
            return result
        case .countValues:
            var counts = ValueCounts(plan, steps: steps)
            try eachChunk(plan.input, grid) { (frame) throws(QueryError) in
                let before = counts.result.sampleCount
                counts.add(frame)
                try hold(counts.result.sampleCount - before)
            }
            return counts.result
        }
    }

    private func check(_ parameter: [Double], _ plan: AggregationPlan) throws(QueryError) {
        let hasNaN = parameter.contains(where: \.isNaN)
        let (low, high) = (parameter.min() ?? 0, parameter.max() ?? 0)
        switch plan.operation {
        case .topk, .bottomk, .limitk:
            if hasNaN { throw QueryError(.execution, "Parameter value is NaN") }
            if low <= -0x1p63 {
                throw QueryError(
                    .execution, "Scalar value \(FloatText.shortest(low, exponentFrom: 21)) underflows int64")
            }
            if high >= 0x1p63 {
                throw QueryError(
                    .execution, "Scalar value \(FloatText.shortest(high, exponentFrom: 21)) overflows int64")
            }
        case .limitRatio:
            if hasNaN { throw QueryError(.execution, "Ratio value is NaN") }
            for (value, bound) in [(high, 1.0), (low, -1.0)] where abs(value) > 1 && (value > 0) == (bound > 0) {
                collector.warn(
                    "ratio value should be between -1 and 1, got \(FloatText.shortest(value)), "
                        + "capping to \(FloatText.shortest(bound))", at: plan.parameterSpan)
            }
        case .quantile:
            if hasNaN { collector.invalidQuantile(.nan, at: plan.parameterSpan) }
            if high > 1 { collector.invalidQuantile(high, at: plan.parameterSpan) }
            if low < 0 { collector.invalidQuantile(low, at: plan.parameterSpan) }
        default: break
        }
    }

    /// Feeds an input chunk by chunk where it is a pipeline, otherwise whole.
    /// - Parameter labels: those that `body` looks at, beside the metric's name; nil: all.
    private func eachChunk(
        _ input: Plan, _ grid: TimeGrid, labels: [String]? = nil, _ body: (Frame) throws(QueryError) -> Void
    ) throws(QueryError) {
        if var pipeline = try pipeline(input, grid) {
            pipeline.labelNames = labels
            return try pipeline.run(body)
        }
        let frame = try vector(input, grid)
        try body(frame)
        release(frame.sampleCount)
    }

    private func folded(
        _ plan: AggregationPlan, _ grid: TimeGrid, _ empty: some Aggregate
    ) throws(QueryError) -> Frame {
        var grouping = Grouping(plan.labels, isWithout: plan.isWithout)
        var aggregate = empty
        let keepsAll = plan.operation == .quantile
        var kept = 0
        try eachChunk(plan.input, grid, labels: plan.isWithout ? nil : plan.labels) { (frame) throws(QueryError) in
            let before = grouping.labels.count
            for row in 0..<frame.count {
                let group = grouping.group(of: frame.labels[row], dropsName: frame.dropsName[row])
                aggregate.add(frame.row(row), to: group)
            }
            let more = (keepsAll ? frame.sampleCount : 0) + (grouping.labels.count - before) * grid.count
            kept += more
            try hold(more)
        }
        var result = Frame(steps: grid.count)
        result.labels = grouping.labels
        result.dropsName = grouping.dropsName
        result.values = aggregate.values()
        result.distinctness = .distinct
        release(kept - result.sampleCount)
        return result
    }
}
