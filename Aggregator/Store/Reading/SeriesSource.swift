package import Telemetry

/// Where queries and exports read samples from.
package protocol SeriesSource: Sendable {
    /// The series that satisfy every matcher and may have samples in `range`, ascending by id.
    func series(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [SeriesIndex.Entry]
    func labelNames(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [String]
    func labelValues(_ name: String, _ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [String]

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

extension TenantStore: SeriesSource {
    package func series(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [SeriesIndex.Entry] {
        index.select(matchers, in: range).compactMap { index.entry($0) }
    }
    package func labelNames(_ matchers: [LabelMatcher] = [], in range: ClosedRange<Timestamp>) -> [String] {
        index.labelNames(matchers, in: range)
    }
    package func labelValues(
        _ name: String, _ matchers: [LabelMatcher] = [], in range: ClosedRange<Timestamp>
    ) -> [String] {
        index.labelValues(name, matchers, in: range)
    }
    package func samples(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) throws -> any SeriesCursor {
        StoredSeriesCursor(self, index.select(matchers, in: range), range)
    }
}

struct StoredSeriesCursor: SeriesCursor {
    private let store: TenantStore
    private let entries: [SeriesID]
    private let range: ClosedRange<Timestamp>
    private var position = 0
    private var reader: AgentReader?
    private var otherReaders: [AgentNumber: AgentReader] = [:]

    /// - Parameter ids: ascending. An agent's series mostly follow each other, so one agent's data is open at a time.
    init(_ store: TenantStore, _ ids: [SeriesID], _ range: ClosedRange<Timestamp>) {
        self.store = store
        entries = ids
        self.range = range
    }

    mutating func next() throws -> SeriesSamples? {
        while position < entries.count {
            let id = entries[position]
            position += 1
            guard let entry = store.index.entry(id) else { continue }
            if reader?.agent != entry.agent { reader = try AgentReader(store, entry.agent, range) }
            guard var run = try store.throwing({ try reader?.samples(of: id) }) else { continue }
            for agent in store.index.sharers(of: id) { try add(id, of: agent, to: &run) }
            guard !run.isEmpty else { continue }
            return SeriesSamples(
                series: entry, timestamps: run.timestamps, values: run.values, anomalies: run.anomalies,
                startTimestamps: run.expandedStarts())
        }
        return nil
    }

    /// The samples that another agent has of the same series.
    private mutating func add(_ id: SeriesID, of agent: AgentNumber, to run: inout SampleRun) throws {
        let reader = try otherReaders[agent] ?? AgentReader(store, agent, range)
        otherReaders[agent] = reader
        let more = try store.throwing { try reader.samples(of: id) }
        guard !more.isEmpty else { return }
        run.append(more)
        run.settle()
    }
}
