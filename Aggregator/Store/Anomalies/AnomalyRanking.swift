package import Detection
package import Telemetry

/// What to rank: which series, over which window.
package struct AnomalyQuery: Sendable {
    /// Series that one question looks at; more fail with ``AnomalyQueryError/series(_:)``.
    package static let seriesMax = 50_000
    /// The window is at least this long, so that it has slots, and at most this, so that its cost has a bound.
    package static let windowMilliseconds: ClosedRange<Int64> = 60_000...86_400_000
    /// What is before the window is this many times as long.
    package static let beforeFactor: Int64 = 4
    /// Slots of the window; shorter windows have slots of 10 s, which is how often an agent judges.
    static let slotsMax: Int64 = 240
    static let slotMilliseconds: Int64 = 10_000

    /// A series counts when one of them matches; agents' series only.
    package var selectors: [[LabelMatcher]]
    package var window: ClosedRange<Timestamp>
    /// The highest so many of each list.
    package var limit: Int

    package init(selectors: [[LabelMatcher]] = [[]], window: ClosedRange<Timestamp>, limit: Int = 20) {
        self.selectors = selectors
        self.window = window
        self.limit = limit
    }
}

package enum AnomalyQueryError: Error, Hashable {
    /// The window is too short or too long.
    case window
    /// So many series match.
    case series(Int)
}

/// What rose most in a window, the highest score first: see ``RateRise``.
package struct AnomalyRanking: Sendable {
    package struct Entry<Name: Hashable & Sendable>: Sendable {
        package var name: Name
        package var rise: RateRise
        package init(name: Name, rise: RateRise) {
            self.name = name
            self.rise = rise
        }
    }
    package var series: [Entry<SeriesKey>] = []
    /// Their series' counts added up.
    package var nodes: [Entry<AgentID>] = []
    package var metrics: [Entry<String>] = []
    package var groups: [Entry<MetricGroup>] = []
    /// Milliseconds.
    package var slot: Int64 = 0
    package var seriesCount = 0
    package init() {}
}

extension TenantStore {
    /// Ranks series, nodes, metrics and groups by how much more often they are anomalous in a window than in the time
    /// before it, four times as long. A slot of time counts as anomalous when a sample in it is.
    ///
    /// Series without an anomalous sample in the window are not listed, and count in what they belong to.
    /// - Parameter check: called for each series; ends the work with its error.
    /// - Throws: ``AnomalyQueryError``; what reading throws.
    /// - Complexity: O(samples of the series in five windows), 10 to 30 ns each; no value of a chunk is decoded. Memory O(series).
    package func rankAnomalies(_ query: AnomalyQuery, check: () throws -> Void) throws -> AnomalyRanking {
        let (start, end) = (query.window.lowerBound.milliseconds, query.window.upperBound.milliseconds)
        let (length, isBeyond) = end.subtractingReportingOverflow(start)
        guard !isBeyond, AnomalyQuery.windowMilliseconds.contains(length) else { throw AnomalyQueryError.window }
        let width = max(AnomalyQuery.slotMilliseconds, length / AnomalyQuery.slotsMax)
        let inWindow = Int((length + width - 1) / width)
        let inBefore = inWindow * Int(AnomalyQuery.beforeFactor)
        let (first, isTooEarly) = start.subtractingReportingOverflow(Int64(inBefore) * width)
        guard !isTooEarly else { throw AnomalyQueryError.window }
        let range = Timestamp(milliseconds: first)...Timestamp(milliseconds: end)
        let places = index.places(of: index.select(anyOf: query.selectors, in: range)).filter(hasAnomalyBits)
        guard places.count <= AnomalyQuery.seriesMax else { throw AnomalyQueryError.series(places.count) }

        var ranks = Ranks(limit: query.limit)
        var reader = scope(in: range).reader()
        var (seen, marked) = (
            TimeSlots(start: first, width: width, count: inBefore + inWindow),
            TimeSlots(start: first, width: width, count: inBefore + inWindow)
        )
        for place in places {
            try check()
            let key = index.key(place.id)
            guard let group = MetricGroup(name: key.name) else { continue }
            seen.removeAll()
            marked.removeAll()
            for part in try reader.marks(place) {
                for time in part.times[part.kept] { seen.insert(time &+ part.shift) }
                for position in part.anomalies { marked.insert(part.times[position] &+ part.shift) }
            }
            let (before, within) = (0..<inBefore, inBefore..<inBefore + inWindow)
            let rise = RateRise(
                within: RateRise.Count(seen: seen.filled(within), happened: marked.filled(within)),
                before: RateRise.Count(seen: seen.filled(before), happened: marked.filled(before)))
            guard rise.within.seen > 0 else { continue }
            ranks.add(key, group, agent(place.agent), rise)
        }
        return ranks.ranking(slot: width)
    }
}

/// Adds up, and keeps the highest.
private struct Ranks {
    let limit: Int
    private var series: [AnomalyRanking.Entry<SeriesKey>] = []
    private var nodes: [AgentID: RateRise] = [:]
    private var metrics: [String: RateRise] = [:]
    private var groups: [MetricGroup: RateRise] = [:]
    private var count = 0

    init(limit: Int) { self.limit = limit }

    mutating func add(_ key: SeriesKey, _ group: MetricGroup, _ node: AgentID?, _ rise: RateRise) {
        count += 1
        if let node { nodes[node, default: RateRise()] += rise }
        metrics[key.name, default: RateRise()] += rise
        groups[group, default: RateRise()] += rise
        guard rise.within.happened > 0 else { return }
        series.append(AnomalyRanking.Entry(name: key, rise: rise))
        // Kept short on the way: an order costs more than a look.
        if series.count > 4 * max(limit, 256) { series = Self.top(series, limit) }
    }

    func ranking(slot: Int64) -> AnomalyRanking {
        var ranking = AnomalyRanking()
        ranking.series = Self.top(series, limit)
        ranking.nodes = Self.top(nodes, limit)
        ranking.metrics = Self.top(metrics, limit)
        ranking.groups = Self.top(groups, limit)
        ranking.slot = slot
        ranking.seriesCount = count
        return ranking
    }

    private static func top<Name>(_ all: [Name: RateRise], _ limit: Int) -> [AnomalyRanking.Entry<Name>] {
        top(
            all.map { AnomalyRanking.Entry(name: $0.key, rise: $0.value) }.filter { $0.rise.within.happened > 0 }, limit
        )
    }

    /// Equal scores in the order of their names, so that an answer is the same each time.
    private static func top<Name>(_ all: [AnomalyRanking.Entry<Name>], _ limit: Int) -> [AnomalyRanking.Entry<Name>] {
        let scored = all.map { (entry: $0, score: $0.rise.score, name: "\($0.name)") }
        return scored.sorted { $0.score == $1.score ? $0.name < $1.name : $0.score > $1.score }.prefix(limit)
            .map(\.entry)
    }
}
