import Telemetry

/// Computes one query's plan, each node over all steps at once. Used by one thread; chunks of series may run on others.
final class Evaluator {
    let source: any SeriesSource
    let options: QueryOptions
    var collector: AnnotationCollector
    /// Samples held in frames now.
    private var heldSamples = 0

    init(source: any SeriesSource, options: QueryOptions, text: String) {
        self.source = source
        self.options = options
        collector = AnnotationCollector(text: text)
    }

    // MARK: Bounds

    func checkInterruption() throws(QueryError) {
        if let error = options.interruption() { throw error }
    }

    /// Counts samples that are held from now on.
    func hold(_ samples: Int) throws(QueryError) {
        heldSamples += samples
        guard heldSamples <= options.limits.samplesMax else { throw tooManySamples }
    }

    func release(_ samples: Int) { heldSamples -= samples }

    /// How many more may be held.
    var samplesLeft: Int { options.limits.samplesMax - heldSamples }

    var tooManySamples: QueryError {
        QueryError(
            .limit,
            "query processing would load too many samples into memory in query execution: more than "
                + "\(options.limits.samplesMax) (query samples limit); ask for a shorter time range, a longer step, "
                + "or fewer series")
    }

    // MARK: Scalars

    func scalar(_ plan: Plan, _ grid: TimeGrid) throws(QueryError) -> [Double] {
        try checkInterruption()
        // Operands of scalars are few, but nest as deep as an expression may.
        try hold(grid.count)
        defer { release(grid.count) }
        switch plan {
        case .constant(let value): return Array(repeating: value, count: grid.count)
        case .time: return (0..<grid.count).map { Double(grid.time($0)) / 1000 }
        case .negatedScalar(let operand): return try scalar(operand, grid).map { -$0 }
        case .scalarOperation(let operation, let left, let right):
            let left = try scalar(left, grid)
            let right = try scalar(right, grid)
            return left.indices.map { Arithmetic.apply(operation, left[$0], right[$0]) }
        case .extreme(let isMax, let one, let other):
            let one = try scalar(one, grid)
            let other = try scalar(other, grid)
            return one.indices.map {
                isMax
                    ? ElementFunction.greatest(one[$0], other[$0]) : ElementFunction.least(one[$0], other[$0])
            }
        case .scalarOfVector(let vector):
            let frame = try self.vector(vector, grid)
            defer { release(frame.sampleCount) }
            var result = [Double](repeating: Frame.absent, count: grid.count)
            var isSingle = [Bool](repeating: true, count: grid.count)
            for row in 0..<frame.count {
                for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                    if !Frame.isAbsent(result[step]) { isSingle[step] = false }
                    result[step] = value
                }
            }
            return result.indices.map { isSingle[$0] && !Frame.isAbsent(result[$0]) ? result[$0] : .nan }
        case .invariant(let inner):
            return Array(repeating: try scalar(inner, grid.first)[0], count: grid.count)
        default: throw QueryError(.execution, "a scalar was expected")
        }
    }

    func scalars(_ plans: [Plan], _ grid: TimeGrid) throws(QueryError) -> [[Double]] {
        var columns: [[Double]] = []
        for plan in plans { columns.append(try scalar(plan, grid)) }
        return columns
    }

    // MARK: Vectors

    /// - Returns: a frame whose samples are held until the caller releases them.
    func vector(_ plan: Plan, _ grid: TimeGrid) throws(QueryError) -> Frame {
        try checkInterruption()
        if let pipeline = try pipeline(plan, grid) {
            var result = Frame(steps: grid.count)
            result.distinctness = pipeline.distinctness
            try pipeline.run { frame throws(QueryError) in
                try hold(frame.sampleCount)
                result.append(contentsOf: frame)
            }
            return result
        }
        switch plan {
        case .invariant(let inner):
            let frame = try vector(inner, grid.first)
            try hold(frame.count * (grid.count - 1))
            return frame.broadcast(to: grid.count)
        case .vectorOfScalar(let inner):
            let values = try scalar(inner, grid)
            try hold(values.count)
            return Frame(steps: grid.count, labels: .empty, values: values)
        case .timestampOfVector(let inner):
            return try transformed(inner, grid) { $0.mapSteps { _, step in Double(grid.time(step)) / 1000 } }
        case .calendar(let field, nil):
            try hold(grid.count)
            return Frame(
                steps: grid.count, labels: .empty,
                values: (0..<grid.count).map { field.value(at: Self.seconds(grid.time($0))) })
        case .calendar(let field, let inner?):
            return try transformed(inner, grid) { $0.map { field.value(at: $0) } }
        case .element(let function, let inner, let parameters):
            let columns = try scalars(parameters, grid)
            return try replaced(inner, grid) { frame in
                var result = frame
                function.apply(to: &result, columns)
                result.removeEmptyRows()
                return result
            }
        case .negatedVector(let inner): return try transformed(inner, grid) { $0.map { -$0 } }
        case .vectorScalarOperation(let operation, let inner, let scalar, let isScalarLeft, let returnsBool):
            let stage = try scalarStage(operation, scalar, isScalarLeft, returnsBool, grid)
            return try replaced(inner, grid) { frame in
                var result = frame
                stage(&result)
                result.removeEmptyRows()
                return result
            }
        case .rangeCall(let call): return try subqueryCall(call, grid)
        case .absentOverTime(let input, let labels): return try absentOverTime(input, labels, grid)
        case .absent(let inner, let labels):
            return try replaced(inner, grid) { Self.complement($0, labels: labels, dropsName: false) }
        case .aggregation(let plan): return try aggregate(plan, grid)
        case .vectorOperation(let operation, let left, let right, let matching, let returnsBool):
            return try joined(left, right, grid) { left, right throws(QueryError) in
                try VectorJoin(operation: operation, matching: matching, returnsBool: returnsBool)
                    .combine(left, right)
            }
        case .setOperation(let operation, let left, let right, let matching):
            return try joined(left, right, grid) { left, right throws(QueryError) in
                SetOperation(operation: operation, matching: matching).combine(left, right)
            }
        case .histogram(let plan): return try histogram(plan, grid)
        case .ofNativeHistograms(let inner): return try replaced(inner, grid) { _ in Frame(steps: grid.count) }
        case .labelReplace(let inner, let replacement):
            return try replaced(inner, grid) { frame throws(QueryError) in
                try Relabeling.replace(frame, replacement)
            }
        case .labelJoin(let inner, let target, let separator, let sources):
            return try replaced(inner, grid) { frame throws(QueryError) in
                try Relabeling.join(frame, target, separator, sources)
            }
        case .sort(let inner, let order): return try replaced(inner, grid) { Sorting.sorted($0, order) }
        case .info(let inner, let plan): return try info(inner, plan, grid)
        default: throw QueryError(.execution, "an instant vector was expected")
        }
    }

    /// Evaluates `inner` and puts another frame in its place.
    private func replaced(
        _ inner: Plan, _ grid: TimeGrid, _ make: (Frame) throws(QueryError) -> Frame
    ) throws(QueryError) -> Frame {
        let frame = try vector(inner, grid)
        let result = try make(frame)
        release(frame.sampleCount)
        try hold(result.sampleCount)
        return result
    }

    /// Evaluates `inner`, changes its values and forgets its names.
    private func transformed(
        _ inner: Plan, _ grid: TimeGrid, _ change: (inout Frame) -> Void
    ) throws(QueryError) -> Frame {
        var frame = try vector(inner, grid)
        change(&frame)
        frame.dropNames()
        return frame
    }

    private func joined(
        _ left: Plan, _ right: Plan, _ grid: TimeGrid, _ make: (Frame, Frame) throws(QueryError) -> Frame
    ) throws(QueryError) -> Frame {
        let left = try vector(left, grid)
        let right = try vector(right, grid)
        let result = try make(left, right)
        release(left.sampleCount + right.sampleCount)
        try hold(result.sampleCount)
        return result
    }

    /// Whole seconds, rounded towards zero as Prometheus does.
    static func seconds(_ milliseconds: Int64) -> Int64 { milliseconds / 1000 }

    /// 1 where the frame has no sample.
    static func complement(_ frame: Frame, labels: LabelSet, dropsName: Bool) -> Frame {
        var values = [Double](repeating: 1, count: frame.steps)
        for row in 0..<frame.count {
            for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                values[step] = Frame.absent
            }
        }
        var result = Frame(steps: frame.steps, labels: labels, dropsName: dropsName, values: values)
        result.removeEmptyRows()
        return result
    }
}
