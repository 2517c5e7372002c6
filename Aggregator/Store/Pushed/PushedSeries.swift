import Synchronization
package import Telemetry
import WireFormat

/// Stands for one series that samples are pushed to. Good for one ``TenantStore`` as long as it is open.
package struct PushedSeriesID: Hashable, Comparable, Sendable {
    let table: UInt32
    let number: UInt32
    package static func < (left: Self, right: Self) -> Bool { (left.table, left.number) < (right.table, right.number) }
}

/// The series that came by push (remote write, OTLP, text formats) and not from an agent, each with its place in a
/// series table. So pushed samples are blocks like any other: compaction and reading know nothing of them.
///
/// New series form a new table in each commit. Memory: 40 B per series.
///
/// Thread-safe.
package final class PushedSeries: Sendable {
    /// Owns the tables of pushed series. Not a name that an agent can have.
    static let agent = AgentID(unchecked: "_pushed")

    /// 128 bits over a series' labels, keyed anew in each process: what its number is looked up by.
    package struct Hash: Hashable, Sendable {
        private var first: Hasher
        private var second: Hasher
        package static func == (left: Hash, right: Hash) -> Bool { left.words == right.words }
        package func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
        var words: (Int, Int) { (first.finalize(), second.finalize()) }

        /// An empty hash.
        package init() {
            first = Hasher()
            second = Hasher()
            second.combine(0x9e37_79b9_7f4a_7c15 as UInt64)
        }
        /// Adds a label. Labels come in the order of their names' bytes.
        package mutating func add(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
            let lengths = UInt64(name.count) << 32 | UInt64(value.count)
            first.combine(lengths)
            first.combine(bytes: name)
            first.combine(bytes: value)
            second.combine(lengths)
            second.combine(bytes: name)
            second.combine(bytes: value)
        }
    }

    private struct State {
        var known: [Words: PushedSeriesID] = [:]
        /// By number.
        var tables: [TableReference] = []
        /// Series of the last table while it grows.
        var fresh: [SeriesDescriptor] = []
        /// Tables that no commit has made durable yet.
        var unsaved: [(hash: TableHash, series: [SeriesDescriptor])] = []
    }
    private struct Words: Hashable, Sendable {
        let first: Int
        let second: Int
        init(_ hash: Hash) { (first, second) = hash.words }
    }

    private let state = Mutex(State())

    /// Series that have a number.
    package var count: Int { state.withLock { $0.known.count } }

    /// - Returns: nil for a series that never came; then ``add(_:)``.
    package func find(_ hash: Hash) -> PushedSeriesID? {
        let words = Words(hash)
        return state.withLock { $0.known[words] }
    }

    /// Finds or numbers a series.
    package func add(_ descriptor: SeriesDescriptor) -> PushedSeriesID {
        let words = Words(Self.hash(of: descriptor.key))
        return state.withLock { state in
            if let known = state.known[words] { return known }
            if state.fresh.isEmpty || state.fresh.count >= SeriesTable.seriesMax { Self.beginTable(&state) }
            let id = PushedSeriesID(table: UInt32(state.tables.count - 1), number: UInt32(state.fresh.count))
            state.fresh.append(descriptor)
            state.known[words] = id
            return id
        }
    }

    package static func hash(of key: SeriesKey) -> Hash {
        var hash = Hash()
        for label in key.labels {
            var (name, value) = (label.name, label.value)
            name.withUTF8 { name in
                value.withUTF8 { hash.add(name: UnsafeRawBufferPointer(name), value: UnsafeRawBufferPointer($0)) }
            }
        }
        return hash
    }

    private static func beginTable(_ state: inout State) {
        endTable(&state)
        // Tables of agents are named by their content; of these nobody but this store needs to know the name.
        var generator = SystemRandomNumberGenerator()
        let hash = TableHash(high: ID128(random: &generator), low: ID128(random: &generator))
        state.tables.append(TableReference(hash: hash, count: 0))
    }
    private static func endTable(_ state: inout State) {
        guard !state.fresh.isEmpty, let last = state.tables.indices.last else { return }
        state.tables[last].count = UInt32(state.fresh.count)
        state.unsaved.append((state.tables[last].hash, state.fresh))
        state.fresh = []
    }

    // MARK: For the store

    /// Puts a table back that a file holds.
    func restore(_ hash: TableHash, _ series: [SeriesDescriptor]) {
        let words = series.map { Words(Self.hash(of: $0.key)) }
        state.withLock { state in
            let table = UInt32(state.tables.count)
            state.tables.append(TableReference(hash: hash, count: UInt32(series.count)))
            for (number, words) in words.enumerated() where state.known[words] == nil {
                state.known[words] = PushedSeriesID(table: table, number: UInt32(number))
            }
        }
    }

    /// Tables by number. They grow no more, so that blocks may name them.
    func endedTables() -> [TableReference] {
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
