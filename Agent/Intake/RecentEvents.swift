import Telemetry

/// The last events taken in, by id: a bounded window that spots repeats at the agent.
///
/// It holds the newest ``capacity`` distinct ids, oldest out first, and starts empty with the process. It saves work
/// and keeps the agent's own counters honest; what makes events exactly-once is the aggregator, by id and revision.
/// Ids are kept as 64-bit hashes under a per-process key: two ids collide with a chance of about 2⁻⁴⁹ for each event,
/// and nobody can choose ids that do. About 44 bytes for each id.
package struct RecentEvents: Sendable {
    struct Entry: Sendable {
        var hash: UInt64
        var revision: UInt32
        var contribution: StreamContribution
    }

    package let capacity: Int
    private var slots: [UInt64: Int32] = [:]
    private var ring: [Entry] = []
    private var next = 0

    package init(capacity: Int = 16_384) {
        precondition(capacity > 0 && capacity < Int32.max)
        self.capacity = capacity
    }

    package var count: Int { slots.count }

    /// Where an id stands, nil when the window does not hold it.
    func slot(of id: String) -> Int? { slots[Self.hash(id)].map(Int.init) }

    subscript(slot: Int) -> Entry {
        get { ring[slot] }
        set { ring[slot] = newValue }
    }

    /// Puts an id that the window does not hold into it; the oldest gives way.
    mutating func insert(_ id: String, revision: UInt32) -> Int {
        let entry = Entry(hash: Self.hash(id), revision: revision, contribution: StreamContribution())
        let slot: Int
        if ring.count < capacity {
            slot = ring.count
            ring.append(entry)
        } else {
            slot = next
            next = (next + 1) % capacity
            if slots[ring[slot].hash] == Int32(slot) { slots[ring[slot].hash] = nil }
            ring[slot] = entry
        }
        slots[entry.hash] = Int32(slot)
        return slot
    }

    /// Forgets an id, so that a resubmission counts as new.
    mutating func remove(_ id: String) { slots[Self.hash(id)] = nil }

    private static func hash(_ id: String) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(id)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

/// What an event has added to the counters so far, so that a revision adds only the difference.
struct StreamContribution: Sendable {
    var isCounted = false
    var isQualified = false
    var isSkip = false
    var isStartupFailure = false
    var combination: UInt16 = 0
    var millisecondsPlayed: Int64 = 0
}
