import Telemetry
import WireFormat

/// Builds one chunk group, series by series ascending; encodes a part as soon as it is large enough.
final class ChunkBuilder {
    private var batch = MetricBatch()
    private var samples = 0
    private var low: UInt32 = 0
    private var high: UInt32 = 0
    private var parts: [ChunkCodec.NewPart] = []
    private var last: (instants: Int, group: Int)?
    private var marks: [[Int]] = []
    private var bounds: (first: Int64, last: Int64) = (.max, .min)
    private var total = 0

    /// - Parameter instants: the same number as before tells that `run.timestamps[range]` is the same as before.
    func append(_ series: UInt32, _ run: SampleRun, _ range: Range<Int>, instants: Int) throws {
        guard !range.isEmpty else { return }
        let isFull = samples + range.count > ChunkCodec.partSamples || batch.groups.count >= ChunkCodec.partGroupsMax
        if samples > 0, series != high, isFull || series - low >= UInt32(ChunkCodec.spanMax) { try finishPart() }
        if samples == 0 { low = series }
        high = series
        guard !run.starts.isEmpty else { return append(run, range, start: 0, instants: instants) }
        // One group holds one start per series, so a series whose counter started anew stands in several.
        let starts = run.expandedStarts()
        var from = range.lowerBound
        while from < range.upperBound {
            var end = from + 1
            while end < range.upperBound, starts[end] == starts[from] { end += 1 }
            append(run, from..<end, start: starts[from], instants: from..<end == range ? instants : nil)
            from = end
        }
    }

    private func append(_ run: SampleRun, _ range: Range<Int>, start: Int64, instants: Int?) {
        let index = group(run, range, instants)
        let position = batch.groups[index].series.count
        batch.groups[index].series.append(high - low)
        let base = batch.groups[index].values.count
        batch.groups[index].values.append(contentsOf: run.values[range])
        if start != 0 || !batch.groups[index].startTimestamps.isEmpty {
            while batch.groups[index].startTimestamps.count < position { batch.groups[index].startTimestamps.append(0) }
            batch.groups[index].startTimestamps.append(start)
        }
        for mark in run.anomalies where range.contains(mark) { marks[index].append(base + mark - range.lowerBound) }
        samples += range.count
        total += range.count
    }

    /// The group with these timestamps.
    private func group(_ run: SampleRun, _ range: Range<Int>, _ instants: Int?) -> Int {
        if let instants, let last, last.instants == instants { return last.group }
        let times = run.timestamps[range]
        var found = batch.groups.firstIndex {
            $0.timestamps.count == times.count && $0.timestamps.first == times.first
                && $0.timestamps.elementsEqual(times)
                && $0.series.last != high - low
        }
        if found == nil {
            found = batch.groups.count
            batch.groups.append(MetricBatch.Group(timestamps: Array(times), series: [], values: []))
            marks.append([])
            bounds = (min(bounds.first, times[times.startIndex]), max(bounds.last, times[times.endIndex - 1]))
        }
        let index = found ?? 0
        if let instants { last = (instants, index) }
        return index
    }

    private func finishPart() throws {
        guard samples > 0 else { return }
        for (index, marked) in marks.enumerated() where !marked.isEmpty {
            var words = [UInt64](repeating: 0, count: (batch.groups[index].values.count + 63) / 64)
            for bit in marked { words[bit / 64] |= 1 << UInt64(bit % 64) }
            batch.groups[index].anomalies = words
        }
        let span = high - low + 1
        parts.append(ChunkCodec.NewPart(low: low, span: span, frame: try ChunkCodec.encode(batch, span: span)))
        batch.groups.removeAll(keepingCapacity: true)
        marks.removeAll(keepingCapacity: true)
        last = nil
        samples = 0
    }

    /// - Returns: nil when nothing was appended.
    func finish(agent: AgentNumber, window: Int64) throws -> DayFile.NewChunk? {
        try finishPart()
        guard let first = parts.first, let last = parts.last else { return nil }
        return DayFile.NewChunk(
            agent: agent, window: window, low: first.low, high: last.low + last.span - 1, first: bounds.first,
            last: bounds.last, samples: Int64(total), body: ChunkCodec.body(parts))
    }
}
