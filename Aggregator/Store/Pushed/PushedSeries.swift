import Synchronization
package import Telemetry
import WireFormat

/// Stands for one series that samples are pushed to. Good for one ``TenantStore`` as long as it is open.
package struct PushedSeriesID: Hashable, Comparable, Sendable {
    package let rawValue: UInt32
    package init(_ rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A table of pushed series that grows no more; its series have the ids from `start` on.
struct PushedTable: Sendable {
    var reference: TableReference
    var start: UInt32
    var end: UInt32 { start + reference.count }
}

/// The series that came by push (remote write, OTLP, text formats) and not from an agent, each with its place in a
/// series table. So pushed samples are blocks like any other: compaction and reading know nothing of them.
///
/// New series form a new table in each commit. Memory: about 40 B per series.
///
/// Thread-safe.
package final class PushedSeries: Sendable {
    /// Owns the tables of pushed series. Not a name that an agent can have.
    static let agent = AgentID(unchecked: "_pushed")

    private struct State {
        var known: [KeyHash: UInt32] = [:]
        var tables: [PushedTable] = []
        /// Series of the last table while it grows.
        var fresh: [SeriesDescriptor] = []
        /// Tables that no commit has made durable yet.
        var unsaved: [(hash: TableHash, series: [SeriesDescriptor])] = []
    }
    /// 128 bits over a series' labels, keyed anew in each process: stands for the labels.
    private struct KeyHash: Hashable {
        let first: Int
        let second: Int
        init(_ key: SeriesKey) {
            var first = Hasher()
            key.hash(into: &first)
            var second = Hasher()
            second.combine(first.finalize())
            key.hash(into: &second)
            self.first = first.finalize()
            self.second = second.finalize()
        }
    }

    private let state = Mutex(State())

    package init() {}

    /// Series that have an id.
    package var count: Int { state.withLock { $0.known.count } }

    /// Of them, those that no commit has taken yet.
    package var unsavedCount: Int {
        state.withLock { state in state.unsaved.reduce(state.fresh.count) { $0 + $1.series.count } }
    }

    /// Finds or numbers a series.
    package func add(_ descriptor: SeriesDescriptor) -> PushedSeriesID {
        var room = Int.max
        return add(descriptor, room: &room) ?? PushedSeriesID(0)
    }

    /// Finds a series, or numbers it if there is room for one more.
    package func add(_ descriptor: SeriesDescriptor, room: inout Int) -> PushedSeriesID? {
        let hash = KeyHash(descriptor.key)
        return state.withLock { state in
            if let known = state.known[hash] { return PushedSeriesID(known) }
            guard room > 0 else { return nil }
            room -= 1
            if state.fresh.isEmpty || state.fresh.count >= SeriesTable.seriesMax { Self.beginTable(&state) }
            let id = (state.tables.last?.start ?? 0) + UInt32(state.fresh.count)
            state.fresh.append(descriptor)
            state.known[hash] = id
            return PushedSeriesID(id)
        }
    }

    private static func beginTable(_ state: inout State) {
        endTable(&state)
        // Tables of agents are named by their content; of these nobody but this store needs to know the name.
        var generator = SystemRandomNumberGenerator()
        let hash = TableHash(high: ID128(random: &generator), low: ID128(random: &generator))
        state.tables.append(
            PushedTable(reference: TableReference(hash: hash, count: 0), start: state.tables.last?.end ?? 0))
    }
    private static func endTable(_ state: inout State) {
        guard !state.fresh.isEmpty, let last = state.tables.indices.last else { return }
        state.tables[last].reference.count = UInt32(state.fresh.count)
        state.unsaved.append((state.tables[last].reference.hash, state.fresh))
        state.fresh = []
    }

    // MARK: For the store

    /// Puts a table back that a file holds.
    func restore(_ hash: TableHash, _ series: [SeriesDescriptor]) {
        let hashes = series.map { KeyHash($0.key) }
        state.withLock { state in
            let start = state.tables.last?.end ?? 0
            state.tables.append(
                PushedTable(reference: TableReference(hash: hash, count: UInt32(series.count)), start: start))
            for (number, hash) in hashes.enumerated() where state.known[hash] == nil {
                state.known[hash] = start + UInt32(number)
            }
        }
    }

    /// Ascending by id. They grow no more, so that blocks may name them.
    func endedTables() -> [PushedTable] {
        state.withLock { state in
            Self.endTable(&state)
            return state.tables
        }
    }

    /// The tables that the next commit has to make durable, before any block that names them.
    func takeUnsaved() -> [(hash: TableHash, series: [SeriesDescriptor])] {
        state.withLock { state in
            Self.endTable(&state)
            defer { state.unsaved = [] }
            return state.unsaved
        }
    }
    /// After a commit that failed.
    func returnUnsaved(_ tables: [(hash: TableHash, series: [SeriesDescriptor])]) {
        state.withLock { $0.unsaved = tables + $0.unsaved }
    }
}
