import Synchronization
import Telemetry

/// What can be computed series by series: a selector, perhaps a range function over it, then functions of single
/// samples. It runs in chunks of series, so that an aggregation never holds more than a few of them.
struct Pipeline {
    /// Changes values and forgets names; rows have no labels yet.
    typealias Stage = @Sendable (inout Frame) -> Void

    enum Base: Sendable {
        /// The last sample at most the look-back before each step, or its time.
        case instant(asTimestamp: Bool)
        case range(RangeFunction, window: Int64, parameters: [[Double]])
    }

    let evaluator: Evaluator
    let selector: SelectorPlan
    let selection: any SeriesSelection
    let base: Base
    let grid: TimeGrid
    var stages: [Stage] = []
    /// The call that `base` comes from, for annotations.
    var call: RangeCallPlan?
    /// There is one step, which looks at the last sample of each series only.
    var readsOnlyLast = false
    /// The labels that whoever consumes the rows looks at, beside the metric's name; nil: all.
    var labelNames: [String]?

    /// A selection's series differ; with a fixed name they differ in their other labels.
    var distinctness: Frame.Distinctness {
        let hasName = selector.matchers.contains { $0.name == SeriesKey.nameLabel && $0.operation == .equal }
        return hasName ? .distinctWithoutName : .distinct
    }

    /// Values computed per chunk, about.
    private static let chunkValues = 65_536
    private static let chunkSeriesMax = 1024
    private static let chunkSeriesMin = 32

    /// Computes all rows, chunk by chunk, in the order of the selection.
    func run(_ consume: (Frame) throws(QueryError) -> Void) throws(QueryError) {
        // Small enough, too, that every thread has its share.
        let concurrency = max(1, evaluator.options.concurrency)
        let share = max(Self.chunkSeriesMin, (selection.count + concurrency * 4 - 1) / (concurrency * 4))
        let size = max(1, min(Self.chunkSeriesMax, Self.chunkValues / max(1, grid.count), share))
        let chunks = (selection.count + size - 1) / size
        let chunk = Chunk(
            selector: selector, selection: selection, readers: ReaderPool(selection), base: base, grid: grid,
            stages: stages, labelNames: labelNames.map { $0 + [SeriesKey.nameLabel] },
            lookback: evaluator.options.lookback, samplesMax: evaluator.samplesLeft, readsOnlyLast: readsOnlyLast)
        var notes = RangeNotes(function)
        var hasSamples = false
        var next = 0
        while next < chunks {
            try evaluator.checkInterruption()
            // What runs at once fits what may still be held.
            guard grid.count <= evaluator.samplesLeft else { throw evaluator.tooManySamples }
            let room = max(1, evaluator.samplesLeft / (size * grid.count))
            let wave = min(concurrency * 4, chunks - next, room)
            let first = next
            let results = Mutex([Int: Result<Chunk.Rows, QueryError>](minimumCapacity: wave))
            let count = selection.count
            evaluator.options.runChunks(wave) { index in
                let start = (first + index) * size
                let result = Result { () throws(QueryError) in
                    try chunk.rows(start..<min(start + size, count))
                }
                results.withLock { $0[index] = result }
            }
            let computed = results.withLock { $0 }
            for index in 0..<wave {
                guard let result = computed[index] else { continue }
                let rows = try result.get()
                notes.merge(rows.notes)
                hasSamples = hasSamples || rows.hasSamples
                if rows.frame.count > 0 { try consume(rows.frame) }
            }
            next += wave
        }
        for warning in selection.warnings { evaluator.collector.warnUnplaced(warning) }
        for info in selection.infos { evaluator.collector.informUnplaced(info) }
        if let call, case .range(_, _, let parameters) = base {
            evaluator.annotate(call, notes, parameters, hasSamples: hasSamples)
        }
    }

    private var function: RangeFunction {
        if case .range(let function, _, _) = base { function } else { .lastOverTime }
    }
}

extension Evaluator {
    /// The plan as a pipeline, when it is one.
    func pipeline(_ plan: Plan, _ grid: TimeGrid) throws(QueryError) -> Pipeline? {
        switch plan {
        case .selector(let selector):
            return try pipeline(selector, .instant(asTimestamp: false), width: options.lookback, grid)
        case .timestampOfSelector(let selector):
            var pipeline = try pipeline(selector, .instant(asTimestamp: true), width: options.lookback, grid)
            pipeline.stages.append { $0.dropNames() }
            return pipeline
        case .rangeCall(let call):
            guard case .selector(let selector, let window) = call.input else { return nil }
            let parameters = try scalars(call.parameters, grid)
            var pipeline = try pipeline(
                selector, .range(call.function, window: window, parameters: parameters), width: window, grid)
            pipeline.call = call
            return pipeline
        case .element(let function, let inner, let parameters):
            guard var pipeline = try pipeline(inner, grid) else { return nil }
            let columns = try scalars(parameters, grid)
            pipeline.stages.append { function.apply(to: &$0, columns) }
            return pipeline
        case .calendar(let field, let inner?):
            guard var pipeline = try pipeline(inner, grid) else { return nil }
            pipeline.stages.append { frame in
                frame.map { field.value(at: $0) }
                frame.dropNames()
            }
            return pipeline
        case .negatedVector(let inner):
            guard var pipeline = try pipeline(inner, grid) else { return nil }
            pipeline.stages.append { frame in
                frame.map { -$0 }
                frame.dropNames()
            }
            return pipeline
        case .vectorScalarOperation(let operation, let inner, let scalar, let isScalarLeft, let returnsBool):
            guard var pipeline = try pipeline(inner, grid) else { return nil }
            pipeline.stages.append(try scalarStage(operation, scalar, isScalarLeft, returnsBool, grid))
            return pipeline
        default: return nil
        }
    }

    /// - Parameter width: how far before a step samples count.
    func pipeline(
        _ selector: SelectorPlan, _ base: Pipeline.Base, width: Int64, _ grid: TimeGrid
    ) throws(QueryError) -> Pipeline {
        var first = selector.end(at: grid.start) - width + 1
        var last = selector.end(at: grid.end)
        if let windowExtension = selector.windowExtension {
            if case .range = base { first -= options.lookback }
            if windowExtension == .smoothed { last += options.lookback }
        }
        let moves = grid.count > 1 && selector.at == nil
        var hints = SelectHints(step: moves ? grid.step : 0, window: 0, function: selector.hintFunction)
        hints.isExtended = selector.windowExtension != nil
        switch base {
        case .range(_, let window, _): hints.window = window
        case .instant: hints.needsOnlyLast = grid.count == 1 && selector.windowExtension == nil
        }
        let selection = try select(
            SeriesRequest(matchers: selector.matchers, range: min(first, last)...last, hints: hints))
        var pipeline = Pipeline(evaluator: self, selector: selector, selection: selection, base: base, grid: grid)
        pipeline.readsOnlyLast = hints.needsOnlyLast
        return pipeline
    }

    func select(_ request: SeriesRequest) throws(QueryError) -> any SeriesSelection {
        let selection: any SeriesSelection
        var request = request
        request.hints.sourceResolutionMax = options.sourceResolutionMax
        do {
            selection = try source.select(request)
        } catch {
            throw QueryError.from(error)
        }
        guard selection.count <= options.limits.seriesMax else {
            throw QueryError(
                .limit,
                "a selector selects \(selection.count) series; at most \(options.limits.seriesMax) are read (query "
                    + "series limit); add label matchers")
        }
        return selection
    }

    /// An operator between a vector and a scalar, as a function of frames.
    func scalarStage(
        _ operation: BinaryOperator, _ scalar: Plan, _ isScalarLeft: Bool, _ returnsBool: Bool, _ grid: TimeGrid
    ) throws(QueryError) -> Pipeline.Stage {
        let column = try self.scalar(scalar, grid)
        guard operation.isComparison else {
            return { frame in
                if isScalarLeft {
                    frame.mapSteps { Arithmetic.apply(operation, column[$1], $0) }
                } else {
                    frame.mapSteps { Arithmetic.apply(operation, $0, column[$1]) }
                }
                frame.dropNames()
            }
        }
        return { frame in
            frame.mapSteps { value, step in
                let holds =
                    isScalarLeft
                    ? Arithmetic.compare(operation, column[step], value)
                    : Arithmetic.compare(operation, value, column[step])
                return returnsBool ? (holds ? 1 : 0) : holds ? value : Frame.absent
            }
            if returnsBool { frame.dropNames() }
        }
    }
}
