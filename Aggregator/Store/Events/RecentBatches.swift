package import Telemetry

/// The decoded batches used last, at most ``countMax``: one batch of revisions can concern thousands of old ones.
package struct RecentBatches {
    /// Some 16 MiB at most.
    package static let countMax = 8

    /// Used last comes last.
    private var entries: [(id: Int64, events: [ListeningEvent])] = []
    package var count: Int { entries.count }

    package init() {}

    /// - Complexity: O(``countMax``).
    package mutating func events(of id: Int64) -> [ListeningEvent]? {
        guard let index = entries.lastIndex(where: { $0.id == id }) else { return nil }
        if index < entries.count - 1 { entries.append(entries.remove(at: index)) }
        return entries.last?.events
    }

    /// - Parameter id: of a batch that is not here.
    package mutating func keep(_ events: [ListeningEvent], as id: Int64) {
        if entries.count == Self.countMax { entries.removeFirst() }
        entries.append((id, events))
    }
}
