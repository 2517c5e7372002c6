package import Telemetry

/// Where queries and exports read samples from.
package protocol SampleSource: Sendable {
    /// The series that satisfy every matcher and may have samples in `range`, ascending by id.
    func series(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [SeriesIndex.Entry]
    /// Each series that satisfies one of the selectors once, ascending by id.
    /// - Parameter limit: the first ones only; nil: all.
    /// - Returns: also how many there are in all.
    func series(
        _ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>, limit: Int?
    ) -> (entries: [SeriesIndex.Entry], count: Int)
    /// From the first to the last time at which a series that satisfies one of the selectors may have samples; nil when
    /// there is none.
    func bounds(_ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>) -> ClosedRange<Timestamp>?
    func labelNames(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [String]
    func labelValues(_ name: String, _ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [String]

    /// The type of each metric, ascending by name.
    func metricTypes() -> [(name: String, type: MetricType)]
    func cardinality(top count: Int) -> Cardinality

    /// The samples of those series, one series after the other, merged over all levels. Everything committed before
    /// the call is in it; what is committed meanwhile may be.
    func samples(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) throws -> any SeriesCursor
}

/// The samples of one series: strictly ascending in time, each time once.
package struct SeriesSamples: Sendable {
    package var series: SeriesIndex.Entry
    /// Milliseconds.
    package var timestamps: [Int64]
    package var values: [Double]
    /// Indexes of the samples that the agent judged anomalous, ascending.
    package var anomalies: [Int]
    /// When the counter behind each sample started, milliseconds, 0 unknown; empty if none is known.
    package var startTimestamps: [Int64]

    package init(
        series: SeriesIndex.Entry, timestamps: [Int64], values: [Double], anomalies: [Int] = [],
        startTimestamps: [Int64] = []
    ) {
        self.series = series
        self.timestamps = timestamps
        self.values = values
        self.anomalies = anomalies
        self.startTimestamps = startTimestamps
    }
}

/// A walk over series. Bounded memory: the samples of one series, and what ``AgentReader`` keeps of one agent.
/// Not thread-safe.
package protocol SeriesCursor {
    /// - Returns: the next series that has samples in range; nil at the end.
    /// - Throws: ``StoreError``. A chunk that does not decode is left out, reported and counted, not thrown.
    mutating func next() throws -> SeriesSamples?
}

extension TenantStore: SampleSource {
    package func series(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [SeriesIndex.Entry] {
        index.select(matchers, in: range).compactMap { index.entry($0) }
    }
    package func series(
        _ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>, limit: Int?
    ) -> (entries: [SeriesIndex.Entry], count: Int) {
        let ids = index.select(anyOf: selectors, in: range)
        return (ids.prefix(limit ?? .max).compactMap { index.entry($0) }, ids.count)
    }
    package func bounds(_ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>) -> ClosedRange<Timestamp>? {
        index.bounds(of: index.select(anyOf: selectors, in: range))
    }
    package func labelNames(_ matchers: [LabelMatcher] = [], in range: ClosedRange<Timestamp>) -> [String] {
        index.labelNames(matchers, in: range)
    }
    package func labelValues(
        _ name: String, _ matchers: [LabelMatcher] = [], in range: ClosedRange<Timestamp>
    ) -> [String] {
        index.labelValues(name, matchers, in: range)
    }
    package func metricTypes() -> [(name: String, type: MetricType)] { index.metricTypes() }
    package func cardinality(top count: Int) -> Cardinality { index.cardinality(top: count) }
    package func samples(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) throws -> any SeriesCursor {
        StoredSeriesCursor(scope(in: range).reader(), index.select(matchers, in: range))
    }
}

private struct StoredSeriesCursor: SeriesCursor {
    private var reader: SeriesReader
    private let ids: [SeriesID]
    private var position = 0

    /// - Parameter ids: ascending.
    init(_ reader: SeriesReader, _ ids: [SeriesID]) {
        self.reader = reader
        self.ids = ids
    }

    mutating func next() throws -> SeriesSamples? {
        while position < ids.count {
            let id = ids[position]
            position += 1
            guard let entry = reader.store.index.entry(id) else { continue }
            let run = try reader.samples(of: id, entry.agent)
            guard !run.isEmpty else { continue }
            return SeriesSamples(
                series: entry, timestamps: run.timestamps, values: run.values, anomalies: run.anomalies,
                startTimestamps: run.expandedStarts())
        }
        return nil
    }
}
