import Synchronization

/// The ``RecentColumns`` of one tenant's agents, made for the queries that ask for them and kept for the next ones.
///
/// Bounded in bytes; beyond the bound those go that nobody asked for within ``restMilliseconds``. Without such ones an
/// agent has the columns of the series that are asked for, or none: its blocks are read as they are. So a query over more
/// agents than there is room for does not make and drop the columns of each.
///
/// An entry never holds what is gone from level 0, apart from a moment: blocks leave the list first, the entry second;
/// and readers take the entry first, the list second.
final class ColumnShelf: Sendable {
    static let restMilliseconds: Int64 = 60_000
    /// How often it is looked who rests.
    static let evictionMilliseconds: Int64 = 1_000

    final class Entry: Sendable {
        private let columns = Mutex(RecentColumns())

        /// Adds what is new, one caller at a time.
        /// - Returns: a snapshot with everything that was added so far.
        func extended(_ add: (inout RecentColumns) throws -> Void) throws -> RecentColumns {
            try columns.withLock { columns in
                try add(&columns)
                return columns
            }
        }
    }
    private struct Place {
        let entry: Entry
        var bytes = 0
        var usedAt: Int64
        /// There was no room for the columns that were made.
        var refusedAt: Int64?
    }
    private struct State {
        var places: [AgentNumber: Place] = [:]
        var bytes = 0
        var evictedAt = Int64.min
    }

    private let bytesMax: Int
    private let state = Mutex(State())

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Of all entries, about.
    var bytes: Int { state.withLock { $0.bytes } }

    /// - Parameter now: monotonic milliseconds.
    func entry(of agent: AgentNumber, now: Int64) -> Entry {
        state.withLock { state in
            if let known = state.places[agent]?.entry {
                state.places[agent]?.usedAt = now
                return known
            }
            let entry = Entry()
            state.places[agent] = Place(entry: entry, usedAt: now)
            return entry
        }
    }

    /// Whether there was no room lately.
    func isRefused(_ agent: AgentNumber, now: Int64) -> Bool {
        state.withLock { state in
            state.places[agent]?.refusedAt.map { now - $0 < Self.restMilliseconds } ?? false
        }
    }

    /// - Parameters:
    ///   - bytes: that the entry will take, or takes.
    ///   - isPartial: of some series only; a quarter of the room is kept for such entries.
    /// - Returns: false when there is no room for them; then what it holds is to be dropped.
    func admit(_ entry: Entry, of agent: AgentNumber, bytes: Int, isPartial: Bool, now: Int64) -> Bool {
        let room = isPartial ? bytesMax : bytesMax / 4 * 3
        return state.withLock { state in
            // Taken out meanwhile: it ends with the query.
            guard let place = state.places[agent], place.entry === entry else { return bytes <= room }
            if state.bytes - place.bytes + bytes > room { Self.evict(&state, now: now, sparing: agent) }
            guard state.bytes - place.bytes + bytes <= room else { return false }
            state.bytes += bytes - place.bytes
            state.places[agent]?.bytes = bytes
            return true
        }
    }

    /// Drops an entry that there was no room for, and notes it.
    func refuse(_ agent: AgentNumber, now: Int64) {
        state.withLock { state in
            Self.remove(agent, &state)
            state.places[agent] = Place(entry: Entry(), usedAt: now, refusedAt: now)
        }
    }

    func remove(_ agent: AgentNumber) { state.withLock { Self.remove(agent, &$0) } }
    func removeAll() { state.withLock { $0 = State() } }

    private static func remove(_ agent: AgentNumber, _ state: inout State) {
        if let place = state.places.removeValue(forKey: agent) { state.bytes -= place.bytes }
    }

    private static func evict(_ state: inout State, now: Int64, sparing agent: AgentNumber) {
        guard state.evictedAt < now - evictionMilliseconds else { return }
        state.evictedAt = now
        let before = now - restMilliseconds
        for (other, place) in state.places where other != agent && place.usedAt < before { remove(other, &state) }
    }
}
