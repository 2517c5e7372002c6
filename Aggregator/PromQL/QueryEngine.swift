package import Telemetry

/// Answers PromQL queries from a source of series. A value: make one per tenant or per query, as you like.
///
///     let engine = QueryEngine(source: store, options: QueryOptions())
///     let result = try engine.range("sum(rate(x_total[5m]))", start: from, end: to, step: 15_000)
///
/// Bounds of a query: 1 MiB of text, 250 levels of the tree, 11,000 steps, and those of ``QueryLimits``. Memory is some
/// 8 B per sample held; an aggregation over a selector or a range function holds its groups and, per thread, 64 Ki
/// values and one series' samples, however many series there are.
///
/// Semantics are those of Prometheus 3: windows and look-back are open on the left, names are removed when the query
/// is done. Queries block their thread; `QueryOptions.runChunks` spreads the work over series.
package struct QueryEngine: Sendable {
    package let source: any SeriesSource
    package var options: QueryOptions

    package init(source: any SeriesSource, options: QueryOptions = QueryOptions()) {
        self.source = source
        self.options = options
    }

    /// Evaluates at one time.
    /// - Throws: ``ParseError``, ``QueryError``.
    package func instant(_ text: String, at time: Timestamp) throws -> QueryResult {
        try instant(Parser.parse(text, options: options.parser), text: text, at: time)
    }

    /// Evaluates a parsed expression at one time.
    /// - Parameter text: what it was parsed from, for the places that annotations name.
    package func instant(
        _ expression: Expression, text: String, at time: Timestamp
    ) throws(QueryError) -> QueryResult {
        let grid = TimeGrid(start: try Self.checked(time), step: 1, count: 1)
        let evaluator = Evaluator(source: source, options: options, text: text)
        let planner = Planner(start: grid.start, end: grid.start, step: 0, options: options)
        let value: QueryValue
        switch expression.type {
        case .string:
            guard case .string(let literal) = expression.unwrapped else {
                throw QueryError(.execution, "unexpected string expression")
            }
            value = .string(literal.value, time: grid.start)
        case .scalar:
            value = .scalar(try evaluator.scalar(planner.plan(expression), grid)[0], time: grid.start)
        case .matrix: value = .matrix(try evaluator.matrix(planner.rangeInput(expression, "").input, grid))
        case .vector, .none:
            let frame = try finished(try evaluator.vector(planner.plan(expression), grid))
            value = .vector(InstantVector(labels: frame.labels, values: frame.values, time: grid.start))
        }
        return QueryResult(value: value, annotations: evaluator.collector.result)
    }

    /// Evaluates at `start`, `start + step`, … up to `end`.
    /// - Parameter step: milliseconds.
    /// - Throws: ``ParseError``, ``QueryError``.
    package func range(
        _ text: String, start: Timestamp, end: Timestamp, step: Int64
    ) throws -> QueryResult {
        try range(Parser.parse(text, options: options.parser), text: text, start: start, end: end, step: step)
    }

    package func range(
        _ expression: Expression, text: String, start: Timestamp, end: Timestamp, step: Int64
    ) throws(QueryError) -> QueryResult {
        guard expression.type == .scalar || expression.type == .vector else {
            throw QueryError(
                .execution,
                "invalid expression type \"\(expression.type.documentedName)\" for range query, must be Scalar or "
                    + "instant Vector")
        }
        let grid = try Self.grid(start, end, step)
        let evaluator = Evaluator(source: source, options: options, text: text)
        let planner = Planner(start: grid.start, end: end.milliseconds, step: step, options: options)
        let plan = try planner.plan(expression)
        let matrix: Matrix
        if expression.type == .scalar {
            let values = try evaluator.scalar(plan, grid)
            matrix = Self.matrix(Frame(steps: grid.count, labels: .empty, values: values), grid)
        } else {
            matrix = Self.matrix(try finished(try evaluator.vector(plan, grid)), grid)
        }
        return QueryResult(value: .matrix(matrix), annotations: evaluator.collector.result)
    }

    private static func checked(_ time: Timestamp) throws(QueryError) -> Int64 {
        guard time.milliseconds.magnitude <= UInt64(Planner.timeMax) else {
            throw QueryError(.execution, "the time \(time.milliseconds) ms is out of range")
        }
        return time.milliseconds
    }

    private static func grid(_ start: Timestamp, _ end: Timestamp, _ step: Int64) throws(QueryError) -> TimeGrid {
        guard step > 0 else {
            throw QueryError(
                .execution,
                "zero or negative query resolution step widths are not accepted. Try a positive integer")
        }
        let (start, end) = (try checked(start), try checked(end))
        guard end >= start else {
            throw QueryError(.execution, "end timestamp must not be before start time")
        }
        let count = (end - start) / step + 1
        guard count <= QueryLimits.stepsMax else {
            throw QueryError(
                .limit,
                "exceeded maximum resolution of 11,000 points per timeseries (\(count) steps asked for). Try "
                    + "decreasing the query resolution (?step=XX)")
        }
        return TimeGrid(start: start, step: step, count: Int(count))
    }

    /// Names go where they are due to; series that become one are joined.
    private func finished(_ frame: Frame) throws(QueryError) -> Frame {
        var frame = frame
        var hasDropped = false
        for row in 0..<frame.count where frame.dropsName[row] {
            frame.labels[row] = frame.labels[row].withoutMetadata
            hasDropped = true
        }
        switch frame.distinctness {
        case .distinctWithoutName: break
        case .distinct where !hasDropped: break
        case .distinct, .unknown: try frame.mergeEqualLabels()
        }
        return frame
    }

    private static func matrix(_ frame: Frame, _ grid: TimeGrid) -> Matrix {
        var series: [Matrix.Series] = []
        series.reserveCapacity(frame.count)
        // Series without gaps share their times.
        let times = (0..<grid.count).map(grid.time)
        for row in 0..<frame.count {
            let values = frame.row(row)
            guard values.contains(where: Frame.isAbsent) else {
                series.append(
                    Matrix.Series(labels: frame.labels[row], timestamps: times, values: Array(values)))
                continue
            }
            var entry = Matrix.Series(labels: frame.labels[row], timestamps: [], values: [])
            for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                entry.timestamps.append(grid.time(step))
                entry.values.append(value)
            }
            if !entry.values.isEmpty { series.append(entry) }
        }
        series.sort { LabelSet.precedes($0.labels, $1.labels) }
        return Matrix(series: series)
    }
}

extension Evaluator {
    /// A range vector itself: the samples in the window before one time.
    func matrix(_ input: RangeInput, _ grid: TimeGrid) throws(QueryError) -> Matrix {
        var result = Matrix(series: [])
        switch input {
        case .subquery(let plan, let window):
            let (frame, inner) = try subquery(plan, window: window, grid)
            var buffer = SampleBuffer()
            for row in 0..<frame.count {
                Self.collect(frame, row, inner, into: &buffer)
                guard !buffer.values.isEmpty else { continue }
                let labels = frame.dropsName[row] ? frame.labels[row].withoutMetadata : frame.labels[row]
                result.series.append(
                    Matrix.Series(labels: labels, timestamps: buffer.timestamps, values: buffer.values))
            }
        case .selector(let selector, let window):
            let end = selector.end(at: grid.start)
            let lookback = selector.windowExtension == nil ? 0 : options.lookback
            let first = end - window + 1 - lookback
            let last = selector.windowExtension == .smoothed ? end + lookback : end
            let selection = try select(SeriesRequest(matchers: selector.matchers, range: first...last))
            do {
                var reader = try selection.makeReader()
                for position in 0..<selection.count {
                    if position % 64 == 0 { try checkInterruption() }
                    var buffer = SampleBuffer()
                    try reader.read(position, into: &buffer)
                    buffer.dropStale()
                    if let kind = selector.windowExtension {
                        buffer = extended(buffer, kind, end - window, end)
                    }
                    guard !buffer.values.isEmpty else { continue }
                    try hold(buffer.values.count)
                    result.series.append(
                        Matrix.Series(
                            labels: LabelSet(selection.labels(at: position)), timestamps: buffer.timestamps,
                            values: buffer.values))
                }
            } catch {
                throw QueryError.from(error)
            }
            for warning in selection.warnings { collector.warnUnplaced(warning) }
            for info in selection.infos { collector.informUnplaced(info) }
        }
        result.series.sort { LabelSet.precedes($0.labels, $1.labels) }
        for (series, next) in zip(result.series, result.series.dropFirst()) where series.labels == next.labels {
            throw QueryError.duplicateLabels
        }
        return result
    }

    /// The samples of an anchored or smoothed window, with the values at its edges.
    private func extended(
        _ buffer: SampleBuffer, _ kind: WindowExtension, _ start: Int64, _ end: Int64
    ) -> SampleBuffer {
        var result = SampleBuffer()
        guard !buffer.values.isEmpty else { return result }
        buffer.timestamps.withUnsafeBufferPointer { timestamps in
            buffer.values.withUnsafeBufferPointer { values in
                let samples = WindowedSamples(
                    timestamps: timestamps, values: values, grid: TimeGrid(start: end, step: 1, count: 1),
                    width: end - start, offset: 0, at: nil)
                let window = ExtendedWindow(samples: samples, kind: kind, lookback: options.lookback)
                guard let edges = window.edges(0, values.count, start, end, isCounter: false) else { return }
                result.append(start, edges.left)
                for index in edges.inner { result.append(timestamps[index], values[index]) }
                result.append(end, edges.right)
            }
        }
        return result
    }
}
