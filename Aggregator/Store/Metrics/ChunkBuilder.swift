import Telemetry
import WireFormat

/// Builds the chunk group of one slice and window, series by series ascending.
///
/// What one group cannot hold goes to a further group behind it: the samples of a counter after it started anew
/// (a group keeps one start per series), and timelines beyond a group's bounds.
final class ChunkBuilder {
    static let timelineSamplesMax = 60_000
    private let encoder: ChunkGroupEncoder
    private var timelines: [[Int64]] = []
    private var last: (instants: Int, timeline: Int)?
    private var low: UInt32 = 0
    private var high: UInt32 = 0
    private var bounds: (first: Int64, last: Int64) = (.max, .min)
    private var total = 0
    private var overflow: ChunkBuilder?

    init() throws {
        encoder = try CodecPool.shared.takeEncoder()
        encoder.begin(timelines: [], seriesMax: StoreLimits.chunkGroupSeriesMax, keepsLasts: true)
    }

    /// - Parameter instants: the same number as before tells that `column.times[range]` is the same as before.
    func append(_ series: UInt32, _ column: SampleColumn, _ range: Range<Int>, instants: Int) throws {
        if column.starts.isEmpty, range.count <= Self.timelineSamplesMax {
            return try append(series, column, range, start: 0, instants: instants)
        }
        let starts = CounterStarts.expanded(column.starts, count: column.times.count)
        var from = range.lowerBound
        while from < range.upperBound {
            var end = from + 1
            while end < range.upperBound, end - from < Self.timelineSamplesMax,
                starts.isEmpty || starts[end] == starts[from]
            {
                end += 1
            }
            let start = starts.isEmpty ? 0 : starts[from]
            try append(series, column, from..<end, start: start, instants: from..<end == range ? instants : nil)
            from = end
        }
    }

    private func append(
        _ series: UInt32, _ column: SampleColumn, _ range: Range<Int>, start: Int64, instants: Int?
    ) throws {
        guard !range.isEmpty else { return }
        guard total == 0 || series > high, let timeline = timeline(column, range, instants) else {
            let further = try overflow ?? ChunkBuilder()
            overflow = further
            return try further.append(series, column, range, start: start, instants: instants)
        }
        if total == 0 { low = series }
        high = series
        total += range.count
        let marks =
            column.anomalies.isEmpty
            ? [] : column.anomalies.filter(range.contains).map { $0 - range.lowerBound }
        if let values = column.values {
            try encoder.add(
                series: UInt64(series), timeline: timeline,
                values: UnsafeBufferPointer(start: values + range.lowerBound, count: range.count),
                startTimestamp: start, anomalies: marks)
        } else {
            try encoder.add(
                series: UInt64(series), timeline: timeline, constant: column.constant, startTimestamp: start,
                anomalies: marks)
        }
    }

    /// The number of the timeline with these timestamps; nil when the group has no room for it.
    private func timeline(_ column: SampleColumn, _ range: Range<Int>, _ instants: Int?) -> Int? {
        if let instants, let last, last.instants == instants { return last.timeline }
        let times = column.times[range]
        var found = timelines.firstIndex {
            $0.count == times.count && $0.first == times.first && $0.last == times.last && $0.elementsEqual(times)
        }
        if found == nil {
            guard timelines.count < ChunkGroup.timelinesMax else { return nil }
            timelines.append(Array(times))
            found = encoder.addTimeline(Array(times))
            bounds = (min(bounds.first, times[times.startIndex]), max(bounds.last, times[times.endIndex - 1]))
        }
        if let instants, let found { last = (instants, found) }
        return found
    }

    /// The groups, in the order in which they are to be stored; none when nothing was appended. Only once.
    func finish(agent: AgentNumber, window: Int64) throws -> [DayFile.NewChunk] {
        defer { CodecPool.shared.give(back: encoder) }
        guard total > 0 else { return [] }
        let chunk = DayFile.NewChunk(
            agent: agent, window: window, low: low, high: high, first: bounds.first, last: bounds.last,
            samples: Int64(total), body: try encoder.finish())
        return [chunk] + (try overflow?.finish(agent: agent, window: window) ?? [])
    }
}
