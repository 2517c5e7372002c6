import Store
import Telemetry

/// The samples of an export as text, a bounded piece at a time: known gaps first, then day by day, series by series.
///
/// JSON lines, one per series and day: `{"metric":{…},"timestamps":[ms…],"values":[…]}`, and one per gap:
/// `{"gap":{"agent":…,"reason":…,"from":…,"through":…,"batches":…,"records":…}}`.
/// CSV: `timestamp_ms,value,series,gap_reason,gap_through_ms`; a gap has an empty value and its agent as the series.
struct SampleExport {
    static let windowMilliseconds: Int64 = 86_400_000
    /// A chunk is sent when it is at least this long.
    static let chunkBytesMin = 64 * 1024

    private let source: any SampleSource
    private let matchers: [[LabelMatcher]]
    private let range: ClosedRange<Timestamp>
    private let format: ExportFormat
    private let gaps: [Gap]
    private var window: ClosedRange<Timestamp>?
    private var selector = 0
    private var cursor: (any SeriesCursor)?
    private var hasBegun = false
    /// Series of several selectors are exported once: ids that an earlier selector of this window has given.
    private var seen = Set<SeriesID>()

    init(
        _ sources: any TenantSources, _ tenant: TenantID, _ matchers: [[LabelMatcher]], _ range: ClosedRange<Timestamp>,
        _ format: ExportFormat
    ) throws {
        source = try sources.metrics(of: tenant)
        self.matchers = matchers
        self.range = range
        self.format = format
        gaps = try sources.gaps(of: tenant, in: range)
        // Only the time in which there is anything: a range of years costs nothing.
        guard let bounds = source.bounds(matchers, in: range), bounds.overlaps(range) else { return }
        let shown = bounds.clamped(to: range)
        window = Self.window(from: shown.lowerBound, to: shown.upperBound)
        end = shown.upperBound
    }
    private var end = Timestamp.distantPast

    /// - Returns: nil at the end.
    mutating func next() throws -> [UInt8]? {
        var writer = JSONWriter()
        if !hasBegun {
            hasBegun = true
            if format == .csv { writer.raw("timestamp_ms,value,series,gap_reason,gap_through_ms\r\n") }
            for gap in gaps { write(gap, to: &writer) }
        }
        while let window, writer.bytes.count < Self.chunkBytesMin {
            if cursor == nil { cursor = try source.samples(matchers[selector], in: window) }
            if let samples = try cursor?.next() {
                let isNew = matchers.count == 1 || seen.insert(samples.series.id).inserted
                if isNew, !samples.timestamps.isEmpty { write(samples, to: &writer) }
                continue
            }
            cursor = nil
            selector += 1
            if selector == matchers.count { advance() }
        }
        return writer.bytes.isEmpty && window == nil ? nil : writer.bytes
    }

    private mutating func advance() {
        selector = 0
        seen.removeAll(keepingCapacity: true)
        guard let last = window?.upperBound, last < end else {
            window = nil
            return
        }
        window = Self.window(from: last.advanced(byMilliseconds: 1), to: end)
    }

    private static func window(from start: Timestamp, to end: Timestamp) -> ClosedRange<Timestamp> {
        start...min(end, start.advanced(byMilliseconds: windowMilliseconds - 1))
    }

    private func write(_ samples: SeriesSamples, to writer: inout JSONWriter) {
        let key = samples.series.descriptor.key
        guard format == .jsonl else { return writeRows(samples, to: &writer) }
        writer.raw("{\"metric\":")
        writer.write(labels: key)
        writer.raw(",\"timestamps\":[")
        for (index, time) in samples.timestamps.enumerated() {
            if index > 0 { writer.byte(",") }
            writer.write(time)
        }
        writer.raw("],\"values\":[")
        for (index, value) in samples.values.enumerated() {
            if index > 0 { writer.byte(",") }
            writer.write(value)
        }
        writer.raw("]}\n")
    }

    private func writeRows(_ samples: SeriesSamples, to writer: inout JSONWriter) {
        var series: [UInt8] = []
        CSV.append(samples.series.descriptor.key.selectorText, to: &series)
        for (time, value) in zip(samples.timestamps, samples.values) {
            writer.write(time)
            writer.byte(",")
            if value.isFinite {
                writer.write(value)
            } else {
                writer.bytes.append(contentsOf: JSONWriter.special(value).utf8)
            }
            writer.byte(",")
            writer.bytes.append(contentsOf: series)
            writer.raw(",,\r\n")
        }
    }

    private func write(_ gap: Gap, to writer: inout JSONWriter) {
        if format == .csv {
            if let from = gap.from { writer.write(from.milliseconds) }
            writer.raw(",,")
            CSV.append("{instance=\"\(gap.agent)\"}", to: &writer.bytes)
            writer.byte(",")
            CSV.append(gap.reason.name, to: &writer.bytes)
            writer.byte(",")
            if let through = gap.through { writer.write(through.milliseconds) }
            writer.raw("\r\n")
            return
        }
        let fields: [(String, JSON)] = [
            ("agent", .string(gap.agent.rawValue)), ("reason", .string(gap.reason.name)),
            ("from", gap.from.map { .integer($0.milliseconds) } ?? .null),
            ("through", gap.through.map { .integer($0.milliseconds) } ?? .null),
            ("batches", .count(gap.count.batches)), ("records", .count(gap.count.records)),
        ]
        writer.write(.object([("gap", .object(fields))]))
        writer.raw("\n")
    }
}

extension SeriesKey {
    /// As PromQL writes it: `name{a="b"}`, so that it can be asked for again.
    var selectorText: String {
        let others = labels.filter { $0.name != Self.nameLabel }.map { label in
            var writer = JSONWriter()
            writer.write(label.value)
            return "\(label.name)=\(String(decoding: writer.bytes, as: UTF8.self))"
        }
        return others.isEmpty ? name : "\(name){\(others.joined(separator: ","))}"
    }
}
