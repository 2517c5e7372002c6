import Synchronization
package import Telemetry

/// Reads series by series over head, level 0 and level 1, merged by time. An agent's series mostly follow each other
/// by id, so what one agent's series share stays open until another agent's is asked for.
///
/// Bounded memory, see ``AgentReader``. Not thread-safe: one for each thread.
package struct SeriesReader {
    private let scope: ReadScope
    var store: TenantStore { scope.store }
    private var reader: AgentReader?
    private var sharers: [AgentNumber: AgentReader] = [:]
    /// What its newest blocks hold, where the series asked for next probably stands, and where its chunk groups end.
    private var agentLatest: (agent: AgentNumber, latest: AgentLatest, next: Int, chunkEnd: Int64)?

    init(_ scope: ReadScope) { self.scope = scope }

    /// Appends a series' samples in range: strictly ascending in time, milliseconds.
    /// - Throws: ``StoreError``. What does not decode is left out, reported and counted in ``damagedParts``.
    package mutating func read(
        _ series: SeriesIndex.Place, _ timestamps: inout [Int64], _ values: inout [Double]
    ) throws {
        if !series.isShared {
            let reader = try reader(of: series.agent)
            if try store.throwing({ try reader.append(series.id, &timestamps, &values) }) { return }
        }
        let run = try samples(of: series.id, series.agent, isPlain: true)
        timestamps.append(contentsOf: run.timestamps)
        values.append(contentsOf: run.values)
    }

    /// Appends the last sample in range only.
    /// - Throws: as ``read(_:_:_:)``.
    package mutating func readLast(
        _ series: SeriesIndex.Place, _ timestamps: inout [Int64], _ values: inout [Double]
    ) throws {
        guard let last = try series.isShared ? settledLast(of: series) : plainLast(of: series) else { return }
        timestamps.append(last.time)
        values.append(last.value)
    }

    /// Of a series that several agents have samples of.
    private mutating func settledLast(of series: SeriesIndex.Place) throws -> (time: Int64, value: Double)? {
        let run = try samples(of: series.id, series.agent)
        guard let time = run.timestamps.last, let value = run.values.last else { return nil }
        return (time, value)
    }

    private mutating func plainLast(of series: SeriesIndex.Place) throws -> (time: Int64, value: Double)? {
        let reader = try reader(of: series.agent)
        return try store.throwing { try reader.last(of: series.id) }
    }

    /// Appends the last sample in range of each of some series, as ``readLast(_:_:_:)`` finds it; of a series that has
    /// none the time `.min`.
    /// - Parameter latest: of the same scope; what it holds need not be looked for series by series.
    /// - Throws: as ``read(_:_:_:)``.
    package mutating func readLast(
        _ series: ArraySlice<SeriesIndex.Place>, from latest: LatestSamples, _ timestamps: inout [Int64],
        _ values: inout [Double]
    ) throws {
        for place in series {
            let last = try last(of: place, latest)
            timestamps.append(last?.time ?? .min)
            values.append(last?.value ?? 0)
        }
    }

    private mutating func last(
        of series: SeriesIndex.Place, _ latest: LatestSamples
    ) throws -> (time: Int64, value: Double)? {
        guard !series.isShared else { return try settledLast(of: series) }
        if agentLatest?.agent != series.agent || reader?.agent != series.agent { try turn(to: series.agent, latest) }
        guard let reader, let known = agentLatest,
            let position = known.latest.position(of: series.id.rawValue, near: known.next),
            scope.deleted.isEmpty || !reader.isCut(series.id)
        else { return try plainLast(of: series) }
        agentLatest?.next = position + 1
        let time = known.latest.times[position]
        let held = time > .min ? (time, known.latest.values[position]) : nil
        guard held == nil || time < known.chunkEnd else { return held }
        return try store.throwing { try reader.last(of: series.id, orHeld: held) }
    }

    /// Looks for an agent's newest samples, and only then for its chunk groups: what is merged meanwhile is in both.
    private mutating func turn(to agent: AgentNumber, _ latest: LatestSamples) throws {
        let own = try store.throwing { try latest.ofAgent(agent) }
        finishedDamage += reader?.damagedCount ?? 0
        let fresh = try AgentReader(scope, agent)
        reader = fresh
        let end = try store.throwing { try fresh.chunkEnd() }
        agentLatest = (agent, own, 0, end ?? .min)
    }

    /// A series' samples in range, strictly ascending in time, with the indexes of those that the agent judged anomalous.
    /// - Throws: as ``read(_:_:_:)``.
    package mutating func judged(
        _ series: SeriesIndex.Place
    ) throws -> (timestamps: [Int64], values: [Double], anomalies: [Int]) {
        let run = try samples(of: series.id, series.agent)
        return (run.timestamps, run.values, run.anomalies)
    }

    /// When a series has samples in range, and which of them the agent judged anomalous; their values are not decoded.
    /// - Throws: as ``read(_:_:_:)``.
    package mutating func marks(_ series: SeriesIndex.Place) throws -> [JudgedTimes] {
        let own = try reader(of: series.agent)
        var parts = try store.throwing { try own.marks(of: series.id) }
        guard series.isShared else { return parts }
        for agent in store.index.sharers(of: series.id) {
            let reader = try sharers[agent] ?? AgentReader(scope, agent)
            sharers[agent] = reader
            parts += try store.throwing { try reader.marks(of: series.id) }
        }
        return parts
    }

    private mutating func reader(of agent: AgentNumber) throws -> AgentReader {
        if let reader, reader.agent == agent { return reader }
        finishedDamage += reader?.damagedCount ?? 0
        let fresh = try AgentReader(scope, agent)
        reader = fresh
        return fresh
    }

    /// Chunk groups that could not be read so far.
    package var damagedParts: Int {
        sharers.values.reduce(finishedDamage + (reader?.damagedCount ?? 0)) { $0 + $1.damagedCount }
    }
    private var finishedDamage = 0

    /// - Parameter isPlain: starts of counters and anomaly bits are not asked for.
    mutating func samples(of id: SeriesID, _ agent: AgentNumber, isPlain: Bool = false) throws -> SampleRun {
        let own = try reader(of: agent)
        var run = try store.throwing { try own.samples(of: id, isPlain: isPlain) }
        for agent in store.index.sharers(of: id) {
            let reader = try sharers[agent] ?? AgentReader(scope, agent)
            sharers[agent] = reader
            let more = try store.throwing { try reader.samples(of: id, isPlain: isPlain) }
            guard !more.isEmpty else { continue }
            run.append(more)
            run.settle()
        }
        return run
    }
}

/// What is read by one query: a time range, and what its readers share. Thread-safe.
package final class ReadScope: Sendable {
    let store: TenantStore
    /// Milliseconds.
    let range: ClosedRange<Int64>
    /// Taken before the lists of blocks and groups, so that what is not deleted any more is gone from what they list.
    let deleted: DeletionSet
    /// Windows for which ``StandingRollups`` answer are left out by readers; nil: none are.
    private let choice: RollupChoice?
    /// The series that will be asked for, by agent; nil: not known.
    private let wanted: WantedSeries?
    private let listed = Mutex<[AgentNumber: ListedBlocks]>([:])
    /// Few agents' columns fit into memory, so that all can be kept.
    private let newest = Mutex<[AgentNumber: Taken]>([:])
    private final class Taken: Sendable {
        /// Nil: not asked for yet; none: blocks are read.
        let columns = Mutex<RecentColumns??>(nil)
    }
    private let windows = Mutex<[AgentNumber: RolledWindows]>([:])

    init(
        _ store: TenantStore, _ range: ClosedRange<Timestamp>, _ choice: RollupChoice? = nil,
        _ wanted: WantedSeries? = nil
    ) {
        self.store = store
        self.choice = choice
        self.wanted = wanted
        deleted = store.deletions.current
        self.range = range.lowerBound.milliseconds...range.upperBound.milliseconds
    }

    package func reader() -> SeriesReader { SeriesReader(self) }
    /// The same time, all of it from samples.
    package var withoutChoice: ReadScope {
        let (first, last) = (Timestamp(milliseconds: range.lowerBound), Timestamp(milliseconds: range.upperBound))
        return ReadScope(store, first...last, nil, wanted)
    }

    /// An agent's level-0 blocks; whoever asks first decodes them, others wait for that.
    func blocks(of agent: AgentNumber) throws -> ListedBlocks {
        try listed.withLock { listed in
            if let known = listed[agent] { return known }
            // Of agents before nothing is needed any more, apart from what readers hold.
            if listed.count >= Self.agentsMax { listed.removeAll() }
            let blocks = try ListedBlocks(store, agent, range)
            listed[agent] = blocks
            return blocks
        }
    }
    private static let agentsMax = 8

    /// An agent's level-0 samples, the same for all readers; whoever asks first puts them together, others wait for that.
    func newest(of agent: AgentNumber) throws -> NewestSamples {
        let taken = newest.withLock { newest in
            let taken = newest[agent] ?? Taken()
            newest[agent] = taken
            return taken
        }
        let columns = try taken.columns.withLock { columns -> RecentColumns? in
            if let columns { return columns }
            let found = try store.recentColumns(of: agent, for: wanted?.ids(of: agent))
            columns = .some(found)
            return found
        }
        return if let columns { .columns(columns) } else { .blocks(try blocks(of: agent)) }
    }

    /// In which of an agent's windows rollups stand for samples; the same for all readers.
    func rolled(of agent: AgentNumber) throws -> RolledWindows? {
        guard let choice else { return nil }
        // Before the windows: a block that is merged meanwhile is then found in one of both.
        let newest = try newest(of: agent)
        return try windows.withLock { windows in
            if let known = windows[agent] { return known }
            let found = try RolledWindows(store, agent, choice, newest, range)
            windows[agent] = found
            return found
        }
    }
}

extension TenantStore {
    /// For reading many series, by one or several readers.
    /// - Parameters:
    ///   - choice: where ``StandingRollups`` answer instead; nil: nowhere.
    ///   - wanted: the series that will be read, others cost more; nil: any.
    package func scope(
        in range: ClosedRange<Timestamp>, except choice: RollupChoice? = nil, of wanted: WantedSeries? = nil
    ) -> ReadScope {
        ReadScope(self, range, choice, wanted)
    }
    /// Whether an agent delivers the series: what is pushed has no anomaly bits.
    package func hasAnomalyBits(_ place: SeriesIndex.Place) -> Bool { place.isShared || !isPushed(place.agent) }
    /// The name of the agent that a series belongs to; nil for pushed ones.
    package func agent(_ number: AgentNumber) -> AgentID? {
        agents.name(of: number).flatMap { $0 == PushedSeries.agent ? nil : $0 }
    }
}
