import Synchronization

/// How many parts each (day, agent, window, slice) has that this run wrote to, for choosing what to merge.
///
/// After a restart it learns the recent days from the files; older leftovers only cost some space.
final class WindowParts: Sendable {
    struct Key: Hashable, Sendable {
        let day: Int64
        let agent: AgentNumber
        let window: Int64
        let slice: UInt32
    }
    static let keysMax = 1_000_000
    private let parts = Mutex<[Key: Int]>([:])

    func note(_ day: Int64, _ agent: AgentNumber, _ window: Int64, _ slice: UInt32, count: Int = 1) {
        parts.withLock { parts in
            guard parts.count < Self.keysMax else { return }
            parts[Key(day: day, agent: agent, window: window, slice: slice), default: 0] += count
        }
    }

    func forget(_ key: Key) { parts.withLock { $0[key] = 1 } }
    func forget(before day: Int64) { parts.withLock { $0 = $0.filter { $0.key.day >= day } } }

    /// The oldest that satisfies `isDue`. O(keys).
    func due(_ isDue: (Key, Int) -> Bool) -> Key? {
        parts.withLock { parts in
            parts.filter { isDue($0.key, $0.value) }.min {
                ($0.key.day, $0.key.window, $0.key.agent) < ($1.key.day, $1.key.window, $1.key.agent)
            }?.key
        }
    }
}
