import Synchronization
package import Telemetry

/// Which series a tenant has, by number and by labels, in memory; ``IndexFile`` keeps it on disk.
///
/// Numbers: a series with nine labels costs about 72 B of packed labels, 60 B of postings, 30 B of hash
/// and 21 B of columns, so about 200 B beside its new texts; 1 kB is the bound that the design allows.
/// Bounded by `seriesMax`: beyond it further series get no id; their samples are dropped and counted.
///
/// Thread-safe. Lookups hold the lock only while they take (copy-on-write) references to postings.
package final class SeriesIndex: Sendable {
    package struct Entry: Sendable, Hashable {
        package let id: SeriesID
        package let agent: AgentNumber
        package let descriptor: SeriesDescriptor
        /// Bounds of its samples' time, widened to whole hours.
        package let first: Timestamp
        package let last: Timestamp
    }

    /// What reading a series takes, without its labels.
    package struct Place: Sendable {
        package let id: SeriesID
        package let agent: AgentNumber
        /// Whether other agents have samples of it, too.
        package let isShared: Bool
    }

    package let seriesMax: Int
    private let state: Mutex<SeriesIndexState>

    package init(seriesMax: Int) {
        self.seriesMax = seriesMax
        state = Mutex(SeriesIndexState())
    }

    package var count: Int { state.withLock { $0.ids.count } }

    /// Finds or numbers each descriptor's series with the agent's own labels added (they win over equal names).
    /// - Returns: the ids in the order of `descriptors`; ``SeriesID/none`` for those beyond `seriesMax`.
    /// - Complexity: O(labels) per series; called once per series table.
    /// - Parameters:
    ///   - seriesMax: further series get no id; nil: the index' own bound.
    ///   - isAllowed: series that are not get no id either.
    package func register(
        _ descriptors: [SeriesDescriptor], agent: AgentNumber, agentLabels: AgentLabels, seriesMax: Int? = nil,
        isAllowed: (SeriesKey) -> Bool = { _ in true }
    ) -> [SeriesID] {
        let seriesMax = seriesMax ?? self.seriesMax
        return register(descriptors, agent, agentLabels, seriesMax, isAllowed)
    }

    private func register(
        _ descriptors: [SeriesDescriptor], _ agent: AgentNumber, _ agentLabels: AgentLabels, _ seriesMax: Int,
        _ isAllowed: (SeriesKey) -> Bool
    ) -> [SeriesID] {
        state.withLock { state in
            descriptors.map { descriptor in
                let key = agentLabels.key(of: descriptor.key)
                if let known = state.find(key) {
                    state.share(known, with: agent)
                    return known
                }
                guard state.ids.count < seriesMax, isAllowed(key) else { return .none }
                return state.add(key, descriptor.type, agent: agent)
            }
        }
    }

    /// Puts a series back as it was on disk. Ids may come in any order once.
    /// - Parameter isSaved: false when it was rebuilt from elsewhere and still has to be written.
    func restore(
        id: SeriesID, labels: [Label], type: MetricType, agent: AgentNumber, first: Timestamp, last: Timestamp,
        isSaved: Bool = true
    ) {
        let key = SeriesKey(labels: labels)
        state.withLock { state in
            state.restore(id: id, key, type, agent: agent, first: first, last: last)
            if !isSaved { state.markUnsaved(id) }
        }
    }

    /// No id up to this one is given from now on: some file may still name it.
    package func reserve(through id: UInt32) { state.withLock { $0.reserve(through: id) } }

    /// Symbols as read from disk, before any series.
    func restoreSymbols(_ texts: [String]) { state.withLock { $0.restoreSymbols(texts) } }

    /// Widens the time bounds of series, to whole hours.
    package func touch(_ ids: [SeriesID], _ range: ClosedRange<Timestamp>) {
        state.withLock { $0.touch(ids, range) }
    }

    /// Widens the bounds of those series in a range of ids that an agent has samples of, as they are.
    func touch(_ ids: ClosedRange<UInt32>, of agent: AgentNumber, _ range: ClosedRange<Int64>) {
        state.withLock { $0.touch(ids, of: agent, range) }
    }

    /// Notes that an agent has samples of series that may be another's.
    func share(_ ids: [SeriesID], with agent: AgentNumber) {
        state.withLock { state in for id in ids { state.share(id, with: agent) } }
    }
    /// The agents beside ``Entry/agent`` that have samples of a series: such series were pushed, too.
    func sharers(of id: SeriesID) -> [AgentNumber] { state.withLock { $0.sharers[id.rawValue] ?? [] } }

    /// Takes times out of the series' bounds, as far as bounds can tell: in the middle of them nothing changes.
    func clip(_ ids: [SeriesID], _ range: ClosedRange<Int64>) {
        state.withLock { $0.clip(ids, range) }
    }
    package func type(of id: SeriesID) -> MetricType {
        state.withLock { MetricType(rawValue: UInt8(truncatingIfNeeded: $0.type(of: id))) ?? .unknown }
    }
    func agent(of id: SeriesID) -> AgentNumber? { state.withLock { $0.agent(of: id) } }
    /// Where the series are read; those that are gone meanwhile are left out.
    package func places(of ids: [SeriesID]) -> [Place] { state.withLock { $0.places(of: ids) } }
    /// The labels of a series; empty when it is gone meanwhile.
    package func key(_ id: SeriesID) -> SeriesKey { state.withLock { $0.key(id) } }
    /// The same for many series. Series whose kept labels are equal mostly share them.
    /// - Parameter names: labels with other names are left out; nil: none is.
    package func keys(_ ids: [SeriesID], keeping names: [String]? = nil) -> [SeriesKey] {
        state.withLock { $0.keys(ids, keeping: names) }
    }

    package func entry(_ id: SeriesID) -> Entry? { state.withLock { $0.entry(id) } }

    /// The ids of the series that satisfy every matcher and may have samples in `range`, ascending.
    package func select(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [SeriesID] {
        let (parts, columns) = state.withLock { state in
            (matchers.map { state.postings(for: $0) }, (state.ids, state.firsts, state.lasts))
        }
        var result: [UInt32]?
        // Smallest first, so that intersections stay small.
        let lists = parts.map { ($0, $0.sizeEstimate) }.sorted { $0.1 < $1.1 }.map(\.0)
        for list in lists where !list.isNegated { result = result.map { list.intersected(with: $0) } ?? list.union() }
        var ids = result ?? columns.0
        for list in lists where list.isNegated { ids = list.removed(from: ids) }
        return ids.filter { id in
            guard let position = SeriesIndexState.position(of: id, in: columns.0) else { return false }
            // A series without a sample yet has its first after its last.
            return columns.1[position] <= columns.2[position] && columns.1[position] <= range.upperBound.milliseconds
                && columns.2[position] >= range.lowerBound.milliseconds
        }.map { SeriesID($0) }
    }

    /// Those that satisfy one of the selectors, each once, ascending.
    package func select(anyOf selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>) -> [SeriesID] {
        guard selectors.count > 1 else { return selectors.first.map { select($0, in: range) } ?? [] }
        return selectors.reduce(into: Set<SeriesID>()) { $0.formUnion(select($1, in: range)) }.sorted()
    }

    /// The time over which the series may have samples; nil when none of them has any.
    package func bounds(of ids: [SeriesID]) -> ClosedRange<Timestamp>? {
        state.withLock { $0.bounds(of: ids) }
    }

    /// Every label name of the series that satisfy the matchers, ascending.
    package func labelNames(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [String] {
        let ids = select(matchers, in: range)
        return state.withLock { state in
            var names = Set<UInt32>()
            for id in ids { state.labels(of: id) { names.insert($0.name) } }
            return names.map { state.symbols[$0] }.sorted()
        }
    }

    /// Every value that `name` has among the series that satisfy the matchers, ascending.
    package func labelValues(_ name: String, _ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [String] {
        let ids = select(matchers, in: range)
        return state.withLock { state in
            guard let number = state.symbols.number(of: name) else { return [] }
            var values = Set<UInt32>()
            for id in ids { state.labels(of: id) { if $0.name == number { values.insert($0.value) } } }
            return values.map { state.symbols[$0] }.sorted()
        }
    }

    /// The type of each metric among the series, by name; of several types the one that most series have.
    package func metricTypes() -> [(name: String, type: MetricType)] { state.withLock { $0.metricTypes() } }

    /// What makes the index large, for people who look for it. O(distinct labels).
    package func cardinality(top count: Int) -> Cardinality { state.withLock { $0.cardinality(top: count) } }

    /// Takes out the series without a sample since `time`.
    /// - Returns: their ids.
    package func removeAll(endedBefore time: Timestamp) -> [SeriesID] {
        state.withLock { $0.removeAll(endedBefore: time.milliseconds) }
    }

    /// Takes out those of the series (nil: of all) that have no samples; only when no commit is under way, for their
    /// table may have come before their first sample.
    /// - Parameter ids: ascending.
    /// - Returns: their ids.
    package func removeUnused(of ids: [UInt32]? = nil) -> [SeriesID] { state.withLock { $0.removeUnused(of: ids) } }

    /// Whether one of the ids means no series: it was forgotten, or it was refused and there is room for it now.
    func lacksAny(of ids: [SeriesID], seriesMax: Int) -> Bool {
        state.withLock { state in
            let hasRoom = state.ids.count < seriesMax
            return ids.contains {
                $0 == .none ? hasRoom : SeriesIndexState.position(of: $0.rawValue, in: state.ids) == nil
            }
        }
    }
    func lacksAll(of ids: [SeriesID]) -> Bool {
        state.withLock { state in
            ids.allSatisfy { SeriesIndexState.position(of: $0.rawValue, in: state.ids) == nil }
        }
    }

    /// Numbers texts anew once most of them are no series' any more; ``IndexFile`` then writes everything anew.
    /// - Returns: whether it did.
    /// - Complexity: O(labels of all series), under the lock, and only when half of the texts are let go.
    func dropUnusedTexts() -> Bool { state.withLock { $0.dropUnusedTexts() } }

    /// What ``IndexFile`` has not written yet: new symbols, new series and changed bounds.
    func takeUnsaved() -> UnsavedIndex { state.withLock { $0.takeUnsaved() } }
    /// Puts back what could not be written, so that the next attempt writes it.
    func returnUnsaved(_ unsaved: UnsavedIndex) { state.withLock { $0.returnUnsaved(unsaved) } }
}

/// How many series, names and values an index holds, and which have the most.
package struct Cardinality: Sendable {
    package typealias Count = (name: String, count: Int)
    package var series = 0
    /// Distinct pairs of name and value.
    package var labelPairs = 0
    package var seriesByMetric: [Count] = []
    package var valuesByLabel: [Count] = []
    /// `name=value`.
    package var seriesByPair: [Count] = []
}

/// The part of the index that is not on disk yet.
struct UnsavedIndex {
    struct Row {
        let id: UInt32
        let agent: AgentNumber
        let type: MetricType
        let first: Int64
        let last: Int64
        let labels: [PackedLabel]
    }
    var symbols: [(number: UInt32, text: String)] = []
    var rows: [Row] = []
    /// The symbol number from which texts were unsaved.
    var symbolBase = 0
    /// Nothing that is on disk holds any more.
    var replacesAll = false
    /// The lowest id that was never given.
    var nextID: UInt32 = 1
    var isEmpty: Bool { rows.isEmpty && symbols.isEmpty && !replacesAll }
}
