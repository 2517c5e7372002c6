import Detection
import JSON
import Telemetry
import WireFormat

/// Makes a recording of what `stagebox export` wrote of one node, as JSON lines.
///
/// Series that detection does not watch are left out, as are labels that the centre added. What processes are called
/// becomes a number. A series whose name ends in `_total` is a counter: an export has no types, and the agent's own
/// collectors keep to this.
///
/// Memory: 16 bytes for each sample.
package struct RecordingWriter {
    package struct Refusal: Error, CustomStringConvertible, Equatable {
        package var line: Int
        package var reason: String
        package var description: String { "line \(line): \(reason)" }
    }

    private struct Points {
        var descriptor: SeriesDescriptor
        var times: [Int64] = []
        var values: [Double] = []
    }

    /// Labels that say where a series came from.
    private static let origins: Set<String> = ["instance", "job", "region", "site"]
    private static let processes = "stagebox_process_group_"

    private var series: [Points] = []
    private var lines = 0
    private var processNumbers: [String: Int] = [:]

    package init() {}

    package var seriesCount: Int { series.count }
    package var sampleCount: Int { series.reduce(0) { $0 + $1.times.count } }

    /// Takes one line of an export: `{"metric":{…},"timestamps":[…],"values":[…]}`.
    package mutating func add(line: UnsafeRawBufferPointer) throws(Refusal) {
        lines += 1
        var reader = JSONReader(line)
        reader.skipWhitespace()
        if reader.isAtEnd { return }
        var labels: [Label] = []
        var times: [Int64] = []
        var values: [Double] = []
        do throws(JSONError) {
            try reader.enterObject()
            while let key = try reader.nextKey() {
                if reader.matches(key, "metric") {
                    try reader.enterObject()
                    while let name = try reader.nextKey() {
                        labels.append(Label(try reader.decode(name), try reader.readString()))
                    }
                } else if reader.matches(key, "timestamps") {
                    try reader.enterArray()
                    while try reader.nextElement() { times.append(try reader.readNumber().wholeValue ?? 0) }
                } else if reader.matches(key, "values") {
                    try reader.enterArray()
                    while try reader.nextElement() {
                        // Prometheus' stale markers come as null.
                        if try reader.peekKind() == .number {
                            values.append(try reader.readNumber().doubleValue)
                        } else {
                            try reader.skipValue()
                            values.append(.nan)
                        }
                    }
                } else {
                    try reader.skipValue()
                }
            }
        } catch {
            throw Refusal(line: lines, reason: "\(error)")
        }
        guard times.count == values.count, zip(times, times.dropFirst()).allSatisfy({ $0 < $1 }) else {
            throw Refusal(line: lines, reason: "a value for each timestamp, and timestamps that rise, are wanted")
        }
        add(labels, times, values)
    }

    private mutating func add(_ labels: [Label], _ times: [Int64], _ values: [Double]) {
        let named = SeriesKey(labels: labels.filter { !Self.origins.contains($0.name) })
        let isProcess = named.name.hasPrefix(Self.processes)
        let key = isProcess ? SeriesKey(labels: named.labels.map { numbered($0) }) : named
        let descriptor = SeriesDescriptor(key: key, type: key.name.hasSuffix("_total") ? .counter : .unknown)
        guard !times.isEmpty, DetectionGroup(descriptor) != nil, key.isWithinLimits else { return }
        series.append(Points(descriptor: descriptor, times: times, values: values))
    }

    private mutating func numbered(_ label: Label) -> Label {
        guard label.name != SeriesKey.nameLabel else { return label }
        let number = processNumbers[label.value] ?? processNumbers.count + 1
        processNumbers[label.value] = number
        return Label(label.name, "\(number)")
    }

    /// - Throws: `WireError` when it is more than metric blocks hold.
    package func recording() throws -> DetectionRecording {
        let described = series.map { points in
            let least = zip(points.times, points.times.dropFirst()).map { $1 - $0 }.min() ?? 60_000
            return DetectionRecording.Series(
                descriptor: points.descriptor,
                intervalMilliseconds: min(least, DetectionRecording.intervalMillisecondsMax))
        }
        let firsts = series.compactMap(\.times.first)
        let lasts = series.compactMap(\.times.last)
        guard var start = firsts.min(), let end = lasts.max() else {
            return DetectionRecording(series: described, parts: [])
        }
        guard (end - start) / DetectionRecording.partMilliseconds < DetectionRecording.partsMax else {
            throw WireError.tooLarge("parts")
        }
        let table = TableReference(hash: TableHash(high: .zero, low: .zero), count: UInt32(series.count))
        var parts: [[UInt8]] = []
        var next = [Int](repeating: 0, count: series.count)
        while start <= end {
            let batch = batch(before: start + DetectionRecording.partMilliseconds, &next)
            if batch.sampleCount > 0 { parts.append(try MetricBlock.encode(batch, tables: [table])) }
            start += DetectionRecording.partMilliseconds
        }
        return DetectionRecording(series: described, parts: parts)
    }

    /// The samples before `end` that were not taken yet; series of the same instants are one group.
    private func batch(before end: Int64, _ next: inout [Int]) -> MetricBatch {
        var batch = MetricBatch()
        var places: [[Int64]: Int] = [:]
        for (number, points) in series.enumerated() {
            let first = next[number]
            var last = first
            while last < points.times.count, points.times[last] < end { last += 1 }
            next[number] = last
            guard last > first else { continue }
            let times = Array(points.times[first..<last])
            let place = places[times] ?? batch.groups.count
            if place == batch.groups.count {
                places[times] = place
                batch.groups.append(MetricBatch.Group(timestamps: times, series: [], values: []))
            }
            batch.groups[place].series.append(UInt32(number))
            batch.groups[place].values.append(contentsOf: points.values[first..<last])
        }
        return batch
    }
}
