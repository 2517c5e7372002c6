import SQLite
import Synchronization
import Telemetry
import WireFormat

/// What is handed on beside samples, each with a place of its own, so that none waits for another.
package enum ForwardLane: String, Sendable, CaseIterable {
    /// Block by block as they were committed; they are kept for it when they leave level 0. `lane.next`: the block to
    /// go on with.
    case events
    /// Change by change, see ``FindingOutbox``. `lane.next` is not used.
    case findings
}

// The lanes of `forward.sqlite`.
extension ForwardFile {
    func loadLanes(from database: Database) throws {
        let statement = try database.statement("SELECT name, next FROM lane")
        defer { statement.reset() }
        var lanes: [ForwardLane: Int64] = [:]
        while try statement.step() {
            if let lane = ForwardLane(rawValue: statement.text(0)) { lanes[lane] = statement.integer(1) }
        }
        let bytes = try database.integer("SELECT coalesce(sum(length(body)), 0) FROM event") ?? 0
        known.withLock { known in
            known.lanes = lanes
            known.eventBytes = bytes
        }
    }

    var lanes: [ForwardLane: Int64] { known.withLock { $0.lanes } }
    var eventBytes: Int64 { known.withLock { $0.eventBytes } }

    /// Durable when it returns; what events lie before it is forgotten.
    /// - Parameter next: nil ends the lane.
    func set(_ lane: ForwardLane, next: Int64?) throws {
        try database.use { database in
            let gone = lane == .events ? try bytes(before: next ?? .max, in: database) : 0
            try database.transaction(synchronous: .full) {
                if let next {
                    let put = try database.statement("INSERT OR REPLACE INTO lane(name, next) VALUES (?1, ?2)")
                    try put.bind(1, lane.rawValue)
                    try put.bind(2, next)
                    try put.run()
                } else {
                    let delete = try database.statement("DELETE FROM lane WHERE name = ?1")
                    try delete.bind(1, lane.rawValue)
                    try delete.run()
                }
                if gone > 0 {
                    let delete = try database.statement("DELETE FROM event WHERE id < ?1")
                    try delete.bind(1, next ?? .max)
                    try delete.run()
                }
            }
            if gone > 0 { try database.incrementalVacuum(pages: StoreLimits.vacuumPagesMax) }
            known.withLock { known in
                known.lanes[lane] = next
                known.eventBytes -= gone
            }
        }
    }

    /// Of the event blocks before `id`.
    private func bytes(before id: Int64, in database: Database) throws -> Int64 {
        guard eventBytes > 0 else { return 0 }
        let sum = try database.statement("SELECT coalesce(sum(length(body)), 0) FROM event WHERE id < ?1")
        try sum.bind(1, id)
        return try sum.firstInteger() ?? 0
    }

    /// Takes in event blocks that leave level 0; those that are here already stay as they are. Durable when it returns.
    func keep(events: [(row: EventRow, body: [UInt8])]) throws {
        try database.use { database in
            var added: Int64 = 0
            try database.transaction(synchronous: .full) {
                let insert = try database.statement(
                    "INSERT OR IGNORE INTO event(id, shift, records, body) VALUES (?1, ?2, ?3, ?4)")
                for (row, body) in events {
                    try insert.bind(1, row.id)
                    try insert.bind(2, row.shift)
                    try insert.bind(3, Int64(row.records))
                    try insert.bind(4, body)
                    try insert.run()
                    if database.changes > 0 { added += Int64(body.count) }
                }
            }
            known.withLock { $0.eventBytes += added }
        }
    }

    /// A block of events, without its body.
    struct EventRow: Sendable {
        var id: Int64
        var shift: Int64
        var records: Int
    }

    /// The first blocks from `id` on.
    func eventRows(from id: Int64, limit: Int) throws -> [EventRow] {
        guard eventBytes > 0 else { return [] }
        return try database.use { database in
            let statement = try database.statement(
                "SELECT id, shift, records FROM event WHERE id >= ?1 ORDER BY id LIMIT ?2")
            defer { statement.reset() }
            try statement.bind(1, id)
            try statement.bind(2, Int64(limit))
            var rows: [EventRow] = []
            while try statement.step() {
                rows.append(
                    EventRow(id: statement.integer(0), shift: statement.integer(1), records: Int(statement.integer(2))))
            }
            return rows
        }
    }

    func eventBody(of id: Int64) throws -> [UInt8]? {
        try database.use { database in
            let statement = try database.statement("SELECT body FROM event WHERE id = ?1")
            try statement.bind(1, id)
            guard try statement.step() else { return nil }
            defer { statement.reset() }
            return statement.blob(0)
        }
    }

    /// Drops the oldest blocks of events until at most `bytesMax` are left.
    /// - Returns: the events in them.
    func trimEvents(to bytesMax: Int64) throws -> Int {
        guard eventBytes > bytesMax else { return 0 }
        return try database.use { database in
            let before = eventBytes
            var excess = before - bytesMax
            var (last, events): (Int64?, Int) = (nil, 0)
            let statement = try database.statement("SELECT id, records, length(body) FROM event ORDER BY id")
            while excess > 0, try statement.step() {
                last = statement.integer(0)
                events += Int(statement.integer(1))
                excess -= statement.integer(2)
            }
            statement.reset()
            guard let last else { return 0 }
            try database.transaction {
                let delete = try database.statement("DELETE FROM event WHERE id <= ?1")
                try delete.bind(1, last)
                try delete.run()
            }
            known.withLock { $0.eventBytes -= before - bytesMax - excess }
            return events
        }
    }
}
