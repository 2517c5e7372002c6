import Collectors
package import Detection
package import Telemetry
import WireFormat

/// Runs a recording through a node's detection, in the recording's own time.
///
/// One scrape for all series of one interval at one instant, as the agent's collectors give them; the streams' come
/// after the others of their instant, as in the agent. Deterministic.
package struct DetectionReplay {
    /// Series that came into being are told to detection in this order.
    private let series: [DetectionRecording.Series]
    let parts: [[UInt8]]
    package internal(set) var detection: NodeDetection
    /// The first and the last instant, milliseconds since 1970.
    package private(set) var span: ClosedRange<Int64>?

    private struct Clock: Hashable {
        var source: SampleAccumulator.Source
        var intervalMilliseconds: Int64
    }
    private var told: [SampleAccumulator.Source: [Int: UInt32]] = [:]
    private var layouts: [[UInt32]: UInt64] = [:]

    package init(_ recording: DetectionRecording, _ configuration: DetectorConfiguration = DetectorConfiguration()) {
        series = recording.series
        parts = recording.parts
        detection = NodeDetection(configuration)
    }

    /// Goes on with what was learnt elsewhere, as an agent does after a restart.
    /// - Returns: false when it does not read; then nothing was taken.
    package mutating func restore(_ models: [UInt8]) -> Bool { detection.restore(models) }

    /// Judges everything.
    /// - Parameter body: called with each finding as it opens or closes, and the instant.
    /// - Throws: `WireError` for parts that are no metric blocks, or that name other series.
    package mutating func run(_ body: (Finding, Int64) -> Void) throws {
        for part in parts {
            for scrape in try scrapes(of: part) {
                let time = scrape.scrape.timestamp.milliseconds
                span = min(span?.lowerBound ?? time, time)...max(span?.upperBound ?? time, time)
                for finding in detection.observe(scrape.scrape, scrape.source).findings { body(finding, time) }
            }
        }
    }

    private func clock(of number: Int) -> Clock {
        let entry = series[number]
        return Clock(
            source: entry.descriptor.key.name.hasPrefix(StreamSums.prefix) ? .streams : .collectors,
            intervalMilliseconds: entry.intervalMilliseconds)
    }

    mutating func scrapes(of part: [UInt8]) throws -> [(scrape: Scrape, source: SampleAccumulator.Source)] {
        let batch = try MetricBlock.decode(part).batch
        var rows: [Clock: [Int64: [(number: Int, value: Double)]]] = [:]
        for group in batch.groups {
            let height = group.timestamps.count
            for (place, number) in group.series.enumerated() {
                guard Int(number) < series.count else { throw WireError.invalid("series number") }
                let clock = clock(of: Int(number))
                for (row, time) in group.timestamps.enumerated() {
                    rows[clock, default: [:]][time, default: []].append(
                        (Int(number), group.values[place * height + row]))
                }
            }
        }
        let order = rows.flatMap { clock, instants in instants.map { (clock, $0.key, $0.value) } }.sorted {
            ($0.1, $0.0.source, -$0.0.intervalMilliseconds) < ($1.1, $1.0.source, -$1.0.intervalMilliseconds)
        }
        return order.map { clock, time, row in (scrape(clock, time, row), clock.source) }
    }

    private mutating func scrape(_ clock: Clock, _ time: Int64, _ row: [(number: Int, value: Double)]) -> Scrape {
        var known = told[clock.source] ?? [:]
        var new: [SeriesDescriptor] = []
        var handles: [UInt32] = []
        for (number, _) in row {
            let handle = known[number] ?? UInt32(known.count)
            if known[number] == nil {
                known[number] = handle
                new.append(series[number].descriptor)
            }
            handles.append(handle)
        }
        told[clock.source] = known
        let layout = layouts[handles] ?? UInt64(layouts.count)
        layouts[handles] = layout
        return Scrape(
            timestamp: Timestamp(milliseconds: time), intervalMilliseconds: clock.intervalMilliseconds, layout: layout,
            newDescriptors: new, handles: handles, values: row.map(\.value))
    }
}
