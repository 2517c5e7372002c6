import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry

extension TenantStore {
    /// Level-0 events wait for at most this, so that quiet tenants get batches of some size.
    static let eventsWaitMilliseconds: Int64 = 10_000
    /// As many move at once without waiting: identities are scattered, so a page of them is written once per step.
    static let eventsWaitingMax = 32_768
    /// Blocks below this many events are joined with their neighbours.
    static let joinedBelow = 512
    /// What one step moves at most.
    static let eventsPerStepMax = 65_536

    /// Moves level-0 event blocks on to `events.sqlite`, oldest first.
    /// - Returns: the events of the blocks moved; 0 when there was nothing to do yet.
    func moveEvents(isDraining: Bool) throws -> Int {
        let waiting = state.withLock { ($0.pendingEvents.count, $0.pendingEvents.reduce(0) { $0 + $1.records }) }
        guard waiting.0 > 0 else { return 0 }
        let now = time.now.milliseconds
        let isDue =
            isDraining || waiting.1 >= Self.eventsWaitingMax
            || now &- lastEventMove.withLock { $0 } >= Self.eventsWaitMilliseconds
        guard isDue else { return 0 }
        return try eventMove.withLock { _ in
            defer { lastEventMove.withLock { $0 = now } }
            return try moveEventsLocked()
        }
    }

    private func moveEventsLocked() throws -> Int {
        let pending = state.withLock { Array($0.pendingEvents.prefix(4096)) }
        var batches: [EventStore.Incoming] = []
        var taken: [PendingEvents] = []
        var lacking = Set<Int64>()
        var count = 0
        for block in pending where count < Self.eventsPerStepMax {
            taken.append(block)
            guard let incoming = try incoming(block) else {
                lacking.insert(block.block)
                continue
            }
            count += incoming.events.count
            // Blocks of some size stay as they came; only small ones are worth encoding again.
            if let last = batches.last, min(last.events.count, incoming.events.count) < Self.joinedBelow,
                last.events.count + incoming.events.count <= EventStore.batchEventsMax
            {
                batches[batches.count - 1].events += incoming.events
                batches[batches.count - 1].body = nil
            } else {
                batches.append(incoming)
            }
        }
        guard let through = taken.last?.block else { return 0 }
        let generation = state.withLock { $0.generation }
        let current = try events.take(batches, through: through, generation: generation)
        try faults.pass(.afterEvents)
        try ingest.use { database in
            try database.transaction {
                try IngestFile.delete(taken.map(\.block).filter { !lacking.contains($0) }, in: database)
            }
        }
        state.withLock { $0.pendingEvents.removeFirst(taken.count) }
        metrics.add("stagebox_store_events_total", Double(count))
        metrics.add("stagebox_store_events_duplicate_total", Double(count - current))
        return max(count, 1)
    }

    /// Decoded and with corrected times; nil, and set aside, when the block does not decode.
    private func incoming(_ block: PendingEvents) throws -> EventStore.Incoming? {
        var decoded = EventStore.Incoming(events: block.events ?? [], body: block.body)
        if block.events == nil {
            guard let body = try ingestReaders.use({ try IngestFile.body(of: block.block, in: $0) }) else { return nil }
            do {
                decoded = EventStore.Incoming(events: try StoreCodec.decodeEvents(body), body: body)
            } catch {
                try setAside(block.block, "\(error)")
                return nil
            }
        }
        guard block.shift != 0 else { return decoded }
        decoded.body = nil
        for index in decoded.events.indices {
            decoded.events[index].at = decoded.events[index].at.advanced(byMilliseconds: block.shift)
            decoded.events[index].receivedAt = decoded.events[index].receivedAt.advanced(byMilliseconds: block.shift)
        }
        return decoded
    }
}

/// Where analytics and exports read listening events from.
package protocol EventSource: Sendable {
    /// Events that happened in `range`, batch by batch. Everything committed before the call is in it.
    /// - Parameters:
    ///   - kinds: all when empty.
    ///   - includesHistory: superseded revisions too.
    func events(
        in range: ClosedRange<Timestamp>, kinds: Set<EventKind>, includesHistory: Bool
    ) throws -> any EventCursor
}

/// A walk over events. Bounded memory: one batch of at most some thousand events at a time. Not thread-safe.
package protocol EventCursor {
    /// - Returns: a batch that is not empty; nil at the end. Ordered by arrival, not by time.
    mutating func next() throws -> [ListeningEvent]?
}

extension TenantStore: EventSource {
    package func events(
        in range: ClosedRange<Timestamp>, kinds: Set<EventKind> = [], includesHistory: Bool = false
    ) throws -> any EventCursor {
        try throwing {
            while try moveEvents(isDraining: true) > 0 {}
            let mask = kinds.isEmpty ? Int64.max : kinds.reduce(0) { $0 | 1 << Int64($1.rawValue) }
            return StoredEventCursor(
                events: events, range: range, kinds: kinds, mask: mask, includesHistory: includesHistory, store: self)
        }
    }
}

struct StoredEventCursor: EventCursor {
    let events: EventStore
    let range: ClosedRange<Timestamp>
    let kinds: Set<EventKind>
    let mask: Int64
    let includesHistory: Bool
    let store: TenantStore
    private var rows: [EventStore.Row] = []
    private var nextRow = 0
    private var nextID: Int64 = 0
    private var isFinished = false

    init(
        events: EventStore, range: ClosedRange<Timestamp>, kinds: Set<EventKind>, mask: Int64, includesHistory: Bool,
        store: TenantStore
    ) {
        self.events = events
        self.range = range
        self.kinds = kinds
        self.mask = mask
        self.includesHistory = includesHistory
        self.store = store
    }

    mutating func next() throws -> [ListeningEvent]? {
        while true {
            if nextRow == rows.count {
                guard !isFinished else { return nil }
                rows = try store.throwing { try events.rows(from: nextID, in: range, kinds: mask, limit: 64) }
                nextRow = 0
                isFinished = rows.count < 64
                guard let last = rows.last else { return nil }
                nextID = last.id + 1
            }
            let row = rows[nextRow]
            nextRow += 1
            let found = try read(row)
            if !found.isEmpty { return found }
        }
    }

    private func read(_ row: EventStore.Row) throws -> [ListeningEvent] {
        guard let body = try store.throwing({ try events.body(of: row.id) }) else { return [] }
        guard let decoded = try? StoreCodec.decodeEvents(body) else {
            store.report("events.sqlite", "batch \(row.id) does not decode", "its events are lost")
            return []
        }
        var found: [ListeningEvent] = []
        for (position, event) in decoded.enumerated() {
            guard range.contains(event.at), kinds.isEmpty || kinds.contains(event.kind) else { continue }
            if !includesHistory, EventUpsert.isSet(position, in: row.dead) { continue }
            found.append(event)
        }
        return found
    }
}
