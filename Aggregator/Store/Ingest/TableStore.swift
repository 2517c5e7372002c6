import Ingest
import SQLite
import Synchronization
import Telemetry
import WireFormat

/// The series tables of one tenant and the series that they mean. Scoped by (agent, hash).
///
/// The ids of a table stand beside it in `ingest.sqlite`, so that the index can be rebuilt from the tables; they
/// are kept in memory once asked for (4 B per series and table in use).
final class TableStore: Sendable {
    struct Key: Hashable, Sendable {
        let agent: AgentNumber
        let hash: TableHash
    }
    private struct SetKey: Hashable {
        let agent: AgentNumber
        let hashes: [TableHash]
    }
    private struct State {
        var counts: [Key: UInt32] = [:]
        var ids: [Key: [SeriesID]] = [:]
        var sets: [SetKey: TableSet] = [:]
        /// The hour of the last widening of the series' time bounds, per set.
        var touched: [SetKey: ClosedRange<Int64>] = [:]
    }
    static let setsMax = 10_000
    private let state = Mutex(State())

    /// Reads which tables there are.
    func load(from database: Database) throws {
        let statement = try database.statement("SELECT agent, hash, ids FROM tables")
        while try statement.step() {
            guard let hash = TableHash(bytes: statement.blob(1)) else { continue }
            let key = Key(agent: AgentNumber(truncatingIfNeeded: statement.integer(0)), hash: hash)
            let ids = IDList.decode(statement.blob(2)).map { SeriesID(UInt32(truncatingIfNeeded: $0)) }
            state.withLock { state in
                state.counts[key] = UInt32(ids.count)
                state.ids[key] = ids
            }
        }
    }

    var known: [(key: Key, seriesCount: UInt32)] { state.withLock { $0.counts.map { ($0.key, $0.value) } } }
    /// Every table's series, with the agent that they come from.
    var allIDs: [(agent: AgentNumber, ids: [SeriesID])] { state.withLock { $0.ids.map { ($0.key.agent, $0.value) } } }
    var highestID: UInt32 { state.withLock { $0.ids.values.reduce(0) { max($0, $1.max()?.rawValue ?? 0) } } }
    func contains(_ key: Key) -> Bool { state.withLock { $0.counts[key] != nil } }

    func insert(_ table: IngestCommit.Table, _ key: Key, ids: [SeriesID], at: Timestamp, in database: Database) throws {
        let statement = try database.statement(
            "INSERT INTO tables(agent, hash, encoded, ids, used) VALUES (?1, ?2, ?3, ?4, ?5)")
        try statement.bind(1, Int64(key.agent))
        try statement.bind(2, key.hash.bytes)
        try statement.bind(3, table.encoded)
        try statement.bind(4, IDList.encode(ids.map { Int64($0.rawValue) }))
        try statement.bind(5, at.milliseconds)
        try statement.run()
    }

    /// After the transaction that inserted it.
    func remember(_ key: Key, ids: [SeriesID]) {
        state.withLock { state in
            state.counts[key] = UInt32(ids.count)
            state.ids[key] = ids
        }
    }

    /// The series of a block that names these tables; nil when one is missing.
    func set(_ agent: AgentNumber, _ hashes: [TableHash]) -> TableSet? {
        state.withLock { state in
            let key = SetKey(agent: agent, hashes: hashes)
            if let known = state.sets[key] { return known }
            var ids: [SeriesID] = []
            for hash in hashes {
                guard let part = state.ids[Key(agent: agent, hash: hash)] else { return nil }
                ids += part
            }
            let made = TableSet(hashes: hashes, ids: ids)
            if state.sets.count >= Self.setsMax {
                state.sets.removeAll()
                state.touched.removeAll()
            }
            state.sets[key] = made
            return made
        }
    }

    /// What a table says, from the file; nil when there is none.
    static func descriptors(_ key: Key, in database: Database) throws -> [SeriesDescriptor]? {
        let statement = try database.statement("SELECT encoded FROM tables WHERE agent = ?1 AND hash = ?2")
        defer { statement.reset() }
        try statement.bind(1, Int64(key.agent))
        try statement.bind(2, key.hash.bytes)
        guard try statement.step() else { return nil }
        return try StoreCodec.decodeTable(statement.blob(0))
    }

    func ids(_ key: Key) -> [SeriesID]? { state.withLock { $0.ids[key] } }
    var all: [(key: Key, ids: [SeriesID])] { state.withLock { $0.ids.map { ($0.key, $0.value) } } }

    /// The table means other series from now on.
    func replace(_ key: Key, ids: [SeriesID]) {
        state.withLock { state in
            state.ids[key] = ids
            state.sets = state.sets.filter { $0.key.agent != key.agent || !$0.key.hashes.contains(key.hash) }
        }
    }
    func forget(_ key: Key) {
        state.withLock { state in
            state.counts[key] = nil
            state.ids[key] = nil
            state.sets = state.sets.filter { $0.key.agent != key.agent || !$0.key.hashes.contains(key.hash) }
        }
    }

    /// The index' bounds have narrowed.
    func forgetTouched() { state.withLock { $0.touched.removeAll() } }

    /// Whether series of the set may reach outside the time bounds that the index has, by whole hours.
    func widens(_ agent: AgentNumber, _ hashes: [TableHash], _ range: ClosedRange<Int64>) -> Bool {
        state.withLock { state in
            let key = SetKey(agent: agent, hashes: hashes)
            let hours = SeriesIndexState.hourStart(range.lowerBound)...SeriesIndexState.hourStart(range.upperBound)
            guard let known = state.touched[key] else {
                state.touched[key] = hours
                return true
            }
            if known.lowerBound <= hours.lowerBound, known.upperBound >= hours.upperBound { return false }
            state.touched[key] = min(known.lowerBound, hours.lowerBound)...max(known.upperBound, hours.upperBound)
            return true
        }
    }
}
