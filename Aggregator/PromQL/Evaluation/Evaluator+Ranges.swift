import Telemetry

extension Evaluator {
    /// The subquery's values as series: its expression over its own steps.
    /// - Returns: a frame that is held, and its grid.
    func subquery(
        _ plan: SubqueryPlan, window: Int64, _ grid: TimeGrid
    ) throws(QueryError) -> (frame: Frame, grid: TimeGrid) {
        // The steps are multiples of the subquery's own step.
        let before = plan.end(at: grid.start) - window
        var first = before / plan.step * plan.step
        if first <= before { first += plan.step }
        let last = plan.end(at: grid.end)
        let count = last < first ? 0 : (last - first) / plan.step + 1
        guard count <= options.limits.samplesMax else { throw tooManySamples }
        let inner = TimeGrid(start: first, step: plan.step, count: Int(count))
        guard count > 0 else { return (Frame(steps: 0), inner) }
        return (try vector(plan.expression, inner), inner)
    }

    /// A range function over a subquery; over selectors it is a pipeline.
    func subqueryCall(_ call: RangeCallPlan, _ grid: TimeGrid) throws(QueryError) -> Frame {
        guard case .subquery(let plan, let window) = call.input else {
            throw QueryError(.execution, "a subquery was expected")
        }
        let parameters = try scalars(call.parameters, grid)
        let (frame, inner) = try subquery(plan, window: window, grid)
        defer { release(frame.sampleCount) }
        var result = Frame(steps: grid.count)
        var notes = RangeNotes(call.function)
        var buffer = SampleBuffer()
        for row in 0..<frame.count {
            if row % 64 == 0 { try checkInterruption() }
            Self.collect(frame, row, inner, into: &buffer)
            let values = try Self.evaluate(
                call.function, buffer, grid, window, offset: plan.offset, at: plan.at, parameters)
            guard values.contains(where: { !Frame.isAbsent($0) }) else { continue }
            notes.note(frame.labels[row])
            try hold(values.count)
            result.append(
                frame.labels[row], dropsName: !call.function.keepsName || frame.dropsName[row], values)
        }
        annotate(call, notes, parameters, hasSamples: result.count > 0)
        return result
    }

    static func collect(_ frame: Frame, _ row: Int, _ grid: TimeGrid, into buffer: inout SampleBuffer) {
        buffer.removeAll()
        for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
            buffer.append(grid.time(step), value)
        }
    }

    /// One row of a range function over samples without staleness markers.
    static func evaluate(
        _ function: RangeFunction, _ buffer: SampleBuffer, _ grid: TimeGrid, _ window: Int64, offset: Int64,
        at: Int64?, _ parameters: [[Double]]
    ) throws(QueryError) -> [Double] {
        var row = [Double](repeating: Frame.absent, count: grid.count)
        var problem: QueryError?
        buffer.timestamps.withUnsafeBufferPointer { timestamps in
            buffer.values.withUnsafeBufferPointer { values in
                row.withUnsafeMutableBufferPointer { output in
                    let samples = WindowedSamples(
                        timestamps: timestamps, values: values, grid: grid, width: window, offset: offset, at: at)
                    do throws(QueryError) {
                        try function.evaluate(samples, parameters, into: output)
                    } catch {
                        problem = error
                    }
                }
            }
        }
        if let problem { throw problem }
        return row
    }

    func absentOverTime(_ input: RangeInput, _ labels: LabelSet, _ grid: TimeGrid) throws(QueryError) -> Frame {
        let call = RangeCallPlan(
            function: .presentOverTime, input: input, parameters: [], inputSpan: SourceSpan(0, 0),
            parameterSpans: [])
        let present = try vector(.rangeCall(call), grid)
        let result = Self.complement(present, labels: labels, dropsName: true)
        release(present.sampleCount)
        try hold(result.sampleCount)
        return result
    }

    /// What a range function's samples call for saying.
    func annotate(
        _ call: RangeCallPlan, _ notes: RangeNotes, _ parameters: [[Double]], hasSamples: Bool
    ) {
        for name in notes.nonCounters {
            collector.inform(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
                    + GoText.quoted(name), at: call.inputSpan)
        }
        if call.function == .quantileOverTime, hasSamples {
            for value in parameters[0] where value.isNaN || value < 0 || value > 1 {
                collector.invalidQuantile(value, at: call.parameterSpans[0])
            }
        }
    }
}

/// Names of metrics that `rate` and `increase` met and that do not look like counters.
struct RangeNotes: Sendable {
    /// Different names; more are not told.
    static let namesMax = 100

    private(set) var nonCounters: [String] = []
    /// Whether the function tells anything of names.
    let isWanted: Bool
    private var lastName = ""

    init(_ function: RangeFunction) { isWanted = function == .rate || function == .increase }

    mutating func note(_ labels: LabelSet) {
        guard isWanted else { return }
        let name = labels.metricName
        guard name != lastName else { return }
        lastName = name
        let isCounter = ["_total", "_sum", "_count", "_bucket"].contains { name.hasSuffix($0) }
        guard !name.isEmpty, !isCounter, nonCounters.count < Self.namesMax, !nonCounters.contains(name) else { return }
        nonCounters.append(name)
    }

    mutating func merge(_ other: RangeNotes) {
        for name in other.nonCounters where !nonCounters.contains(name) && nonCounters.count < Self.namesMax {
            nonCounters.append(name)
        }
    }
}
