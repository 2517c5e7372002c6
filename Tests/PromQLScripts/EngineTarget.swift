package import PromQL
package import Telemetry

/// The engine itself, over series in memory.
package struct EngineTarget: ScriptTarget {
    private let source = MemorySource()
    private let concurrency: Int

    package init(concurrency: Int = 1) { self.concurrency = concurrency }

    package func clear() { source.removeAll() }

    package func load(_ series: [(key: SeriesKey, points: [(time: Int64, value: Double?)])]) {
        for entry in series { source.add(entry.key, entry.points) }
    }

    private var engine: QueryEngine {
        QueryEngine(source: source, options: QueryOptions(parser: .all, concurrency: concurrency))
    }

    package func instant(_ query: String, at time: Int64) throws -> QueryResult {
        try engine.instant(query, at: Timestamp(milliseconds: time))
    }

    package func range(_ query: String, start: Int64, end: Int64, step: Int64) throws -> QueryResult {
        try engine.range(
            query, start: Timestamp(milliseconds: start), end: Timestamp(milliseconds: end), step: step)
    }
}
