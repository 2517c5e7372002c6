package import PromQL
import Synchronization
package import Telemetry

/// Series in memory, as scripts and tables of tests load them.
package final class MemorySource: SeriesSource, Sendable {
    private struct Samples: Sendable {
        /// Values by time, milliseconds; nil stands for a native histogram.
        var points: [Int64: Double?] = [:]
    }
    private let series = Mutex<[SeriesKey: Samples]>([:])

    package init() {}

    package func add(_ key: SeriesKey, _ points: [(time: Int64, value: Double?)]) {
        series.withLock { series in
            for (time, value) in points { series[key, default: Samples()].points[time] = .some(value) }
        }
    }
    package func removeAll() { series.withLock { $0.removeAll() } }

    package func select(_ request: SeriesRequest) throws -> any SeriesSelection {
        var entries: [Selection.Entry] = []
        for (key, samples) in series.withLock({ $0 }) {
            guard request.matchers.allSatisfy({ $0.isSatisfied(by: key[$0.name] ?? "") }) else { continue }
            let times = samples.points.keys.filter { request.range.contains($0) }.sorted()
            guard !times.isEmpty else { continue }
            entries.append(Selection.Entry(key: key, points: times.map { ($0, samples.points[$0] ?? nil) }))
        }
        entries.sort { $0.key.labels.lexicographicallyPrecedes($1.key.labels) }
        return Selection(entries: entries)
    }

    package struct Selection: SeriesSelection {
        struct Entry: Sendable {
            let key: SeriesKey
            let points: [(time: Int64, value: Double?)]
        }
        /// Of a source that has nothing.
        package static let none = Selection(entries: [])

        let entries: [Entry]
        package var count: Int { entries.count }
        package func labels(at position: Int) -> SeriesKey { entries[position].key }
        package func makeReader() -> any SampleReader { Reader(selection: self) }
    }

    private struct Reader: SampleReader {
        let selection: Selection
        mutating func read(_ position: Int, into buffer: inout SampleBuffer) throws {
            let entry = selection.entries[position]
            for (time, value) in entry.points {
                guard let value else { throw QueryError.nativeHistogram(entry.key.name) }
                buffer.append(time, value)
            }
        }
    }
}
