import Synchronization

/// How many parts each (day, agent, window, slice) has that this run wrote to, for choosing what to merge and what to
/// roll up.
///
/// After a restart it learns the recent days from the files, the others one by one later.
final class WindowParts: Sendable {
    struct Key: Hashable, Sendable {
        let day: Int64
        let agent: AgentNumber
        let window: Int64
        let slice: UInt32
    }
    private struct Parts {
        var count = 0
        /// When the last part was written, milliseconds.
        var notedAt: Int64 = 0
    }
    static let keysMax = 1_000_000
    private let parts = Mutex<[Key: Parts]>([:])

    func note(_ day: Int64, _ agent: AgentNumber, _ window: Int64, _ slice: UInt32, count: Int = 1, at time: Int64) {
        parts.withLock { parts in
            guard parts.count < Self.keysMax else { return }
            let key = Key(day: day, agent: agent, window: window, slice: slice)
            var value = parts[key] ?? Parts()
            value.count += count
            value.notedAt = max(time, value.notedAt)
            parts[key] = value
        }
    }

    /// So many parts stand in a file.
    func learn(_ key: Key, count: Int) {
        parts.withLock { parts in
            guard parts.count < Self.keysMax else { return }
            var value = parts[key] ?? Parts()
            value.count = max(count, value.count)
            parts[key] = value
        }
    }

    /// Its parts were merged into one.
    func merged(_ key: Key) { parts.withLock { $0[key, default: Parts()].count = 1 } }
    /// There is nothing to do about it any more.
    func remove(_ key: Key) { parts.withLock { $0[key] = nil } }
    func forget(before day: Int64) { parts.withLock { $0 = $0.filter { $0.key.day >= day } } }

    /// The oldest that satisfies `isDue`. O(keys).
    func due(_ isDue: (Key, Int) -> Bool) -> Key? { dueForRolling { key, count, _ in isDue(key, count) } }

    func dueForRolling(_ isDue: (Key, _ count: Int, _ notedAt: Int64) -> Bool) -> Key? {
        parts.withLock { parts in
            var oldest: Key?
            for (key, value) in parts where isDue(key, value.count, value.notedAt) {
                guard let known = oldest else {
                    oldest = key
                    continue
                }
                if (key.day, key.window, key.agent) < (known.day, known.window, known.agent) { oldest = key }
            }
            return oldest
        }
    }
}
