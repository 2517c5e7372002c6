import Synchronization

/// The ``RecentColumns`` of one tenant's agents, made for the queries that ask for them and kept for the next ones.
///
/// Bounded in bytes; beyond the bound those go that nobody asked for within ``restMilliseconds``, and without such ones
/// an agent has none: its blocks are read as they are. So a query over more agents than there is room for does not make
/// and drop the columns of each.
///
/// An entry never holds what is gone from level 0, apart from a moment: blocks leave the list first, the entry second;
/// and readers take the entry first, the list second.
final class ColumnShelf: Sendable {
    /// Of a sample, about: most take 8 B and some room to grow, at most 16 B and as much.
    static let sampleBytes = 16
    static let restMilliseconds: Int64 = 60_000

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
    }
    private struct State {
        var places: [AgentNumber: Place] = [:]
        var bytes = 0
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

    /// - Parameter samples: that the entry is to hold.
    /// - Returns: false when there is no room for them; then the entry is gone.
    func admit(_ entry: Entry, of agent: AgentNumber, samples: Int, now: Int64) -> Bool {
        let bytes = samples * Self.sampleBytes
        return state.withLock { state in
            // Taken out meanwhile: it ends with the query.
            guard let place = state.places[agent], place.entry === entry else { return bytes <= bytesMax }
            let others = state.bytes - place.bytes
            if others + bytes > bytesMax { Self.evict(&state, before: now - Self.restMilliseconds, sparing: agent) }
            guard state.bytes - place.bytes + bytes <= bytesMax else {
                Self.remove(agent, &state)
                return false
            }
            state.bytes += bytes - place.bytes
            state.places[agent]?.bytes = bytes
            return true
        }
    }

    func remove(_ agent: AgentNumber) { state.withLock { Self.remove(agent, &$0) } }
    func removeAll() { state.withLock { $0 = State() } }

    private static func remove(_ agent: AgentNumber, _ state: inout State) {
        if let place = state.places.removeValue(forKey: agent) { state.bytes -= place.bytes }
    }

    private static func evict(_ state: inout State, before: Int64, sparing agent: AgentNumber) {
        for (other, place) in state.places where other != agent && place.usedAt < before { remove(other, &state) }
    }
}
