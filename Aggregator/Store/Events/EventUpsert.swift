import SQLite
import Telemetry

/// Adds event batches within one transaction of `events.sqlite`.
///
/// Cost per event: one lookup and one insertion of an integer row, in ascending order of hash within a batch; a
/// hit also decodes the batch that holds the other event.
struct EventUpsert {
    private let database: Database
    private let find: Statement
    private let insert: Statement
    private var nextBatch: Int64
    private var decoded = RecentBatches()
    private var changed: [Int64: [UInt8]] = [:]

    init(_ database: Database) throws {
        self.database = database
        find = try database.statement("SELECT place FROM identity WHERE hash = ?1")
        insert = try database.statement("INSERT OR REPLACE INTO identity(hash, place) VALUES (?1, ?2)")
        nextBatch = (try database.integer("SELECT max(id) FROM batch") ?? 0) + 1
    }

    /// FNV-1a over the id's UTF-8, finished with SplitMix64's mixing; 63 bits, so never negative.
    static func hash(_ id: String) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int64((hash ^ (hash >> 31)) >> 1)
    }

    static func place(_ batch: Int64, _ position: Int) -> Int64 { batch << 20 | Int64(position) }

    /// What becomes of the events of one batch.
    private struct Plan {
        /// Identity slots that will name this batch, with the position in it.
        var own: [Int64: Int] = [:]
        var slots: [Int64] = []
        var dropped = Set<Int>()
        var dead = Set<Int>()
    }

    /// - Returns: how many events became current.
    mutating func add(_ incoming: EventStore.Incoming) throws -> Int {
        let batch = nextBatch
        let events = incoming.events
        let hashes = events.map { Self.hash($0.id) }
        // Ascending hashes walk the tree in order; equal ones stay in order of arrival.
        let order = events.indices.sorted { hashes[$0] == hashes[$1] ? $0 < $1 : hashes[$0] < hashes[$1] }
        var plan = Plan()
        plan.slots.reserveCapacity(events.count)
        for position in order { try decide(position, events, hashes[position], &plan) }
        guard plan.dropped.count < events.count else { return 0 }
        nextBatch += 1
        var kept = incoming
        var places = Array(events.indices)
        if !plan.dropped.isEmpty {
            kept = EventStore.Incoming(events: [], body: nil)
            for index in events.indices where !plan.dropped.contains(index) {
                places[index] = kept.events.count
                kept.events.append(events[index])
            }
        }
        for slot in plan.slots {
            guard let position = plan.own[slot] else { continue }
            try insert.bind(1, slot)
            try insert.bind(2, Self.place(batch, places[position]))
            try insert.run()
        }
        var dead: [UInt8] = []
        for position in plan.dead { Self.set(places[position], in: &dead) }
        try store(kept, batch, dead)
        try flushDead()
        decoded.keep(kept.events, as: batch)
        return plan.own.count
    }

    /// The same id and revision again is dropped; a lower revision is stored as history; a higher one takes over.
    private mutating func decide(_ position: Int, _ events: [ListeningEvent], _ hash: Int64, _ plan: inout Plan) throws
    {
        let event = events[position]
        var slot = hash
        while true {
            var superseded: (batch: Int64, position: Int)?
            let other: ListeningEvent
            if let own = plan.own[slot] {
                other = events[own]
            } else {
                try find.bind(1, slot)
                guard let known = try find.firstInteger() else { break }
                superseded = (known >> 20, Int(known & 0xf_ffff))
                guard let held = try self.events(of: known >> 20), Int(known & 0xf_ffff) < held.count else { break }
                other = held[Int(known & 0xf_ffff)]
            }
            guard other.id == event.id else {
                slot = slot == .max ? 0 : slot + 1
                continue
            }
            if event.revision == other.revision {
                plan.dropped.insert(position)
                return
            }
            if event.revision < other.revision {
                plan.dead.insert(position)
                return
            }
            if let superseded {
                try kill(superseded.batch, superseded.position)
            } else if let own = plan.own[slot] {
                plan.dead.insert(own)
            }
            break
        }
        if plan.own.updateValue(position, forKey: slot) == nil { plan.slots.append(slot) }
    }

    private mutating func events(of batch: Int64) throws -> [ListeningEvent]? {
        if let known = decoded.events(of: batch) { return known }
        guard let body = try EventStore.body(of: batch, in: database) else { return nil }
        guard let events = try? StoreCodec.decodeEvents(body) else { return nil }  // damaged: its ids are free again
        decoded.keep(events, as: batch)
        return events
    }

    private mutating func kill(_ batch: Int64, _ position: Int) throws {
        if changed[batch] == nil {
            let statement = try database.statement("SELECT dead FROM batch WHERE id = ?1")
            try statement.bind(1, batch)
            changed[batch] = try statement.step() ? statement.blob(0) : []
            statement.reset()
        }
        Self.set(position, in: &changed[batch, default: []])
    }

    private mutating func flushDead() throws {
        let statement = try database.statement("UPDATE batch SET dead = ?2 WHERE id = ?1")
        for (batch, bits) in changed {
            try statement.bind(1, batch)
            try statement.bind(2, bits)
            try statement.run()
        }
        changed.removeAll()
    }

    private func store(_ incoming: EventStore.Incoming, _ batch: Int64, _ dead: [UInt8]) throws {
        var first = Int64.max
        var last = Int64.min
        var kinds: Int64 = 0
        for event in incoming.events {
            first = min(first, event.at.milliseconds)
            last = max(last, event.at.milliseconds)
            kinds |= 1 << Int64(event.kind.rawValue)
        }
        let row = try database.statement(
            "INSERT INTO batch(id, first, last, count, kinds, dead) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        try row.bind(1, batch)
        try row.bind(2, first)
        try row.bind(3, last)
        try row.bind(4, incoming.events.count)
        try row.bind(5, kinds)
        if dead.isEmpty { try row.bindNull(6) } else { try row.bind(6, dead) }
        try row.run()
        let body = try database.statement("INSERT INTO body(id, body) VALUES (?1, ?2)")
        try body.bind(1, batch)
        try body.bind(2, incoming.body ?? StoreCodec.encodeEvents(incoming.events))
        try body.run()
    }

    // MARK: Bits

    static func set(_ position: Int, in bits: inout [UInt8]) {
        while bits.count <= position / 8 { bits.append(0) }
        bits[position / 8] |= 1 << UInt8(position % 8)
    }
    static func isSet(_ position: Int, in bits: [UInt8]) -> Bool {
        position / 8 < bits.count && bits[position / 8] & (1 << UInt8(position % 8)) != 0
    }
}
