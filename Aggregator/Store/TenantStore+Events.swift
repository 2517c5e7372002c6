import Ingest
import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry
import WireFormat

extension TenantStore {
    /// Level-0 events wait for at most this, so that quiet tenants get batches of some size.
    static let eventsWaitMilliseconds: Int64 = 10_000
    /// As many move at once without waiting: what looking ids up costs is shared by those of one step.
    static let eventsWaitingMax = 32_768
    /// What one step moves at most, of all; some 60 B of memory each, beside their bodies.
    static let eventsPerStepMax = 262_144
    static let bodyBytesPerStepMax = 32 << 20

    /// Moves level-0 event blocks on to `events.sqlite`, oldest first.
    /// - Returns: the events of the blocks moved; 0 when there was nothing to do yet.
    func moveEvents(isDraining: Bool) throws -> Int {
        let waiting = state.withLock { ($0.pendingEvents.count, $0.pendingEvents.records) }
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
        let pending = state.withLock { $0.pendingEvents.prefix(4096) }
        var joining = JoinedEvents()
        var taken: [PendingEvents] = []
        var lacking = Set<Int64>()
        for block in pending where joining.count < Self.eventsPerStepMax && joining.bytes < Self.bodyBytesPerStepMax {
            taken.append(block)
            if try !add(block, to: &joining) { lacking.insert(block.block) }
        }
        guard let through = taken.last?.block else { return 0 }
        let generation = state.withLock { $0.generation }
        let current = try events.take(try joining.finish(), through: through, generation: generation)
        try faults.pass(.afterEvents)
        try keepEventsForForwarding(taken.map(\.block).filter { !lacking.contains($0) })
        try ingest.use { database in
            try database.transaction {
                try IngestFile.delete(taken.map(\.block).filter { !lacking.contains($0) }, in: database)
            }
        }
        state.withLock { $0.pendingEvents.removeFirst(taken.count) }
        metrics.add("stagebox_store_events_total", Double(joining.count))
        metrics.add("stagebox_store_events_duplicate_total", Double(joining.count - current))
        return max(joining.count, 1)
    }

    /// Blocks of some size stay as they came; only small ones, and those with corrected times, are encoded again.
    /// - Returns: false when it is gone or does not decode; then it was set aside.
    private func add(_ block: PendingEvents, to joining: inout JoinedEvents) throws -> Bool {
        if let events = block.events, block.shift == 0 {
            try joining.add(events, block.body)
            return true
        }
        let body = try block.body ?? ingestReaders.use { try IngestFile.body(of: block.block, in: $0) }
        guard let body else { return false }
        if block.shift == 0, block.records >= EventContent.joinedBelow {
            guard let batch = try decoding(block, { try EventStore.Incoming(body: body) }) else { return false }
            try joining.add(batch)
            return true
        }
        guard var events = try decoding(block, { try StoreCodec.decodeEvents(body) }) else { return false }
        for index in events.indices where block.shift != 0 {
            events[index].at = events[index].at.advanced(byMilliseconds: block.shift)
            events[index].receivedAt = events[index].receivedAt.advanced(byMilliseconds: block.shift)
        }
        try joining.add(events, block.shift == 0 ? body : nil)
        return true
    }

    private func decoding<Value>(_ block: PendingEvents, _ body: () throws -> Value) throws -> Value? {
        do { return try body() } catch {
            try setAside(block.block, "\(error)")
            return nil
        }
    }

    /// Batches of one step, neighbours joined while one of them is small.
    private struct JoinedEvents {
        private(set) var count = 0
        private(set) var bytes = 0
        private var batches: [EventStore.Incoming] = []
        private var last: [ListeningEvent] = []
        private var lastBody: [UInt8]?

        mutating func add(_ batch: EventStore.Incoming) throws {
            try close()
            take(batch)
        }

        /// - Parameter body: the bytes that encode them, when they are at hand.
        mutating func add(_ events: [ListeningEvent], _ body: [UInt8]?) throws {
            if !last.isEmpty, min(last.count, events.count) < EventContent.joinedBelow,
                last.count + events.count <= EventStore.batchEventsMax
            {
                last += events
                lastBody = nil
            } else {
                try close()
                (last, lastBody) = (events, body)
            }
        }

        private mutating func close() throws {
            defer { (last, lastBody) = ([], nil) }
            guard !last.isEmpty else { return }
            if let lastBody { take(try EventStore.Incoming(last, body: lastBody)) } else { try take(last[...]) }
        }

        /// Events whose texts are too long for one block become several.
        private mutating func take(_ events: ArraySlice<ListeningEvent>) throws {
            do { take(try EventStore.Incoming(Array(events))) } catch let error as WireError {
                guard events.count > 1 else { throw error }
                try take(events.prefix(events.count / 2))
                try take(events.dropFirst(events.count / 2))
            }
        }

        private mutating func take(_ batch: EventStore.Incoming) {
            guard batch.outline.count > 0 else { return }
            count += batch.outline.count
            bytes += batch.body.count
            batches.append(batch)
        }

        mutating func finish() throws -> [EventStore.Incoming] {
            try close()
            return batches
        }
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
            if !includesHistory, EventStore.isSet(position, in: row.dead) { continue }
            found.append(event)
        }
        return found
    }
}
