import Synchronization
import Telemetry

/// What can be computed series by series: a selector, perhaps a range function over it, then functions of single
/// samples. It runs in chunks of series, so that an aggregation never holds more than a few of them.
struct Pipeline {
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
            lookback: evaluator.options.lookback, samplesMax: evaluator.samplesLeft)
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

/// The part of a pipeline that any thread may run.
struct Chunk: Sendable {
    struct Rows: Sendable {
        var frame: Frame
        var notes: RangeNotes
        /// Before the stages.
        var hasSamples = false
    }

    let selector: SelectorPlan
    let selection: any SeriesSelection
    let readers: ReaderPool
    let base: Pipeline.Base
    let grid: TimeGrid
    let stages: [Pipeline.Stage]
    let labelNames: [String]?
    let lookback: Int64
    let samplesMax: Int

    func rows(_ positions: Range<Int>) throws(QueryError) -> Rows {
        do {
            return try readers.withReader { try read(positions, &$0) }
        } catch {
            throw QueryError.from(error)
        }
    }

    private func read(_ positions: Range<Int>, _ reader: inout any SampleReader) throws -> Rows {
        var buffer = SampleBuffer()
        var frame = Frame(steps: grid.count)
        frame.values = [Double](repeating: Frame.absent, count: positions.count * grid.count)
        frame.labels.reserveCapacity(positions.count)
        var rows = Rows(frame: Frame(steps: grid.count), notes: RangeNotes(.lastOverTime))
        var dropsName = false
        if case .range(let function, _, _) = base {
            rows.notes = RangeNotes(function)
            dropsName = !function.keepsName
        }
        let keys = selection.labels(at: positions, keeping: labelNames)
        var row = 0
        for position in positions {
            buffer.removeAll()
            try reader.read(position, into: &buffer)
            guard !buffer.timestamps.isEmpty else { continue }
            guard buffer.values.count <= samplesMax else {
                throw QueryError(
                    .limit,
                    "one series has \(buffer.values.count) samples in the time range; at most \(samplesMax) may be "
                        + "held (query samples limit); ask for a shorter time range")
            }
            let hasSample = try frame.withRow(row) { output in
                Result { () throws(QueryError) in try compute(&buffer, into: output) }
            }.get()
            guard hasSample else { continue }
            let labels = LabelSet(keys[position - positions.lowerBound])
            frame.labels.append(labels)
            rows.notes.note(labels)
            row += 1
        }
        frame.values.removeLast(frame.values.count - row * grid.count)
        frame.dropsName = Array(repeating: dropsName, count: row)
        rows.hasSamples = row > 0
        for stage in stages { stage(&frame) }
        if !stages.isEmpty { frame.removeEmptyRows() }
        rows.frame = frame
        return rows
    }

    /// - Returns: whether the row has a sample; otherwise it is as before.
    private func compute(
        _ buffer: inout SampleBuffer, into output: UnsafeMutableBufferPointer<Double>
    ) throws(QueryError) -> Bool {
        let (function, width): (RangeFunction?, Int64)
        var parameters: [[Double]] = []
        switch base {
        case .instant: (function, width) = (nil, lookback)
        case .range(let range, let window, let columns):
            let addsCounts = range == .countOverTime && selection.addsCounts
            (function, width, parameters) = (addsCounts ? .sumOverTime : range, window, columns)
            buffer.dropStale()
        }
        var problem: QueryError?
        buffer.timestamps.withUnsafeBufferPointer { timestamps in
            buffer.values.withUnsafeBufferPointer { values in
                let samples = WindowedSamples(
                    timestamps: timestamps, values: values, grid: grid, width: width, offset: selector.offset,
                    at: selector.at)
                guard let function else { return instant(samples, into: output) }
                if let kind = selector.windowExtension {
                    return ExtendedWindow(samples: samples, kind: kind, lookback: lookback)
                        .evaluate(function, into: output)
                }
                do throws(QueryError) {
                    try function.evaluate(samples, parameters, into: output)
                } catch {
                    problem = error
                }
            }
        }
        if let problem { throw problem }
        return output.contains { !Frame.isAbsent($0) }
    }

    private func instant(_ samples: WindowedSamples, into output: UnsafeMutableBufferPointer<Double>) {
        guard case .instant(let asTimestamp) = base else { return }
        if selector.windowExtension == .smoothed {
            return ExtendedWindow.interpolated(samples, lookback: lookback, into: output)
        }
        // A staleness marker copied is an absent sample.
        samples.slide(into: output) { _, high, _ in
            let value = samples.values[high - 1]
            return asTimestamp && !StalenessMarker.isStale(value)
                ? Double(samples.timestamps[high - 1]) / 1000 : value
        }
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
        var hints = SelectHints(step: grid.count > 1 ? grid.step : 0, window: 0, function: selector.hintFunction)
        switch base {
        case .range(_, let window, _): hints.window = window
        case .instant: hints.needsOnlyLast = grid.count == 1 && selector.windowExtension == nil
        }
        let selection = try select(
            SeriesRequest(matchers: selector.matchers, range: min(first, last)...last, hints: hints))
        return Pipeline(evaluator: self, selector: selector, selection: selection, base: base, grid: grid)
    }

    func select(_ request: SeriesRequest) throws(QueryError) -> any SeriesSelection {
        let selection: any SeriesSelection
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
