import Telemetry

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
    /// Of each series the last sample only is asked for.
    let readsOnlyLast: Bool

    func rows(_ positions: Range<Int>) throws(QueryError) -> Rows {
        do {
            return try readers.withReader { try read(positions, &$0) }
        } catch {
            throw QueryError.from(error)
        }
    }

    private func read(_ positions: Range<Int>, _ reader: inout any SampleReader) throws -> Rows {
        var frame = Frame(steps: grid.count)
        frame.values = [Double](repeating: Frame.absent, count: positions.count * grid.count)
        var drawn =
            readsOnlyLast
            ? try drawLast(positions, &reader, &frame) : try draw(positions, &reader, &frame)
        frame.values.removeLast(frame.values.count - drawn.count * grid.count)
        var rows = Rows(frame: Frame(steps: grid.count), notes: RangeNotes(.lastOverTime))
        rows.hasSamples = !drawn.isEmpty
        var dropsName = false
        if case .range(let function, _, _) = base {
            rows.notes = RangeNotes(function)
            dropsName = !function.keepsName
        }
        if rows.notes.isWanted {
            for key in selection.labels(at: drawn, keeping: [SeriesKey.nameLabel]) { rows.notes.note(LabelSet(key)) }
        }
        frame.dropsName = Array(repeating: dropsName, count: drawn.count)
        for stage in stages { stage(&frame) }
        if !stages.isEmpty { frame.keepRowsWithSamples(&drawn) }
        // Last, so that only what is left of the series needs labels.
        frame.labels = selection.labels(at: drawn, keeping: labelNames).map { LabelSet($0) }
        rows.frame = frame
        return rows
    }

    /// Fills a row for each series that has a sample.
    /// - Returns: the positions of these series.
    private func draw(
        _ positions: Range<Int>, _ reader: inout any SampleReader, _ frame: inout Frame
    ) throws -> [Int] {
        var drawn: [Int] = []
        drawn.reserveCapacity(positions.count)
        var buffer = SampleBuffer()
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
            let hasSample = try frame.withRow(drawn.count) { output in
                Result { () throws(QueryError) in try compute(&buffer, into: output) }
            }.get()
            if hasSample { drawn.append(position) }
        }
        return drawn
    }

    /// As ``draw(_:_:_:)`` at one time, at which the last sample in the selection's range is the series' value.
    private func drawLast(
        _ positions: Range<Int>, _ reader: inout any SampleReader, _ frame: inout Frame
    ) throws -> [Int] {
        guard case .instant(let asTimestamp) = base else { return [] }
        var buffer = SampleBuffer()
        buffer.reserveCapacity(positions.count)
        try reader.readLast(positions, into: &buffer)
        var drawn: [Int] = []
        drawn.reserveCapacity(positions.count)
        for (offset, position) in positions.enumerated() where buffer.timestamps[offset] != SampleBuffer.none {
            let value = buffer.values[offset]
            guard !StalenessMarker.isStale(value) else { continue }
            frame.values[drawn.count] = asTimestamp ? Double(buffer.timestamps[offset]) / 1000 : value
            drawn.append(position)
        }
        return drawn
    }

    /// - Returns: whether the row has a sample; otherwise it is as before.
    private func compute(
        _ buffer: inout SampleBuffer, into output: UnsafeMutableBufferPointer<Double>
    ) throws(QueryError) -> Bool {
        let (function, width): (RangeFunction?, Int64)
        var parameters: [[Double]] = []
        var weights: [Double] = []
        switch base {
        case .instant: (function, width) = (nil, lookback)
        case .range(let range, let window, let columns):
            (function, width, parameters) = (range, window, columns)
            buffer.dropStale()
            if !buffer.weights.isEmpty {
                buffer.fillWeights()
                weights = buffer.weights
            }
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
                if !weights.isEmpty, function.evaluate(samples, weights: weights, into: output) { return }
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
