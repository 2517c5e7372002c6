import SQLite
import Synchronization
import Telemetry

/// `forward.sqlite`: how far samples were handed on to another system, and the level-0 blocks that were merged into
/// chunks before their turn. It is there exactly while a tenant's samples are forwarded.
///
///     position (one row: generation, block, sample, endBlock, endSample)   end…: NULL when nothing is on its way
///     block    (id, agent, shift, records, received, body)                 as in ingest.sqlite
///     lane     (name, next)                                                what else is handed on; see ``ForwardLane``
///     event    (id, shift, records, body)                                  event blocks of level 0, in their turn
///
/// A file of its own, so that a long backlog costs neither commits nor upkeep of `ingest.sqlite` anything.
final class ForwardFile: Sendable {
    static let migrations = [
        Migration(
            """
            CREATE TABLE position(id INTEGER PRIMARY KEY CHECK(id = 1), generation BLOB NOT NULL,
              block INTEGER NOT NULL, sample INTEGER NOT NULL, endBlock INTEGER, endSample INTEGER) STRICT;
            CREATE TABLE block(id INTEGER PRIMARY KEY, agent INTEGER NOT NULL, shift INTEGER NOT NULL,
              records INTEGER NOT NULL, received INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
            """),
        Migration(
            """
            CREATE TABLE lane(name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE TABLE event(id INTEGER PRIMARY KEY, shift INTEGER NOT NULL, records INTEGER NOT NULL,
              body BLOB NOT NULL) STRICT;
            """),
    ]
    static let name = "forward.sqlite"

    /// A block that waits; `isKept` says that it stands here and not in `ingest.sqlite`.
    struct Row: Sendable {
        var id: Int64
        var agent: AgentNumber
        var shift: Int64
        var records: Int
        var receivedAt: Int64
        var isKept = true
    }

    struct Known {
        var state = ForwardState(next: ForwardPosition(block: 0))
        /// Of the bodies kept.
        var bytes: Int64 = 0
        var blocks = 0
        /// Of the ingest file whose ids the position names.
        var generation: [UInt8] = []
        var lanes: [ForwardLane: Int64] = [:]
        var eventBytes: Int64 = 0
    }
    let database: GuardedDatabase
    let known = Mutex(Known())

    init(path: String) throws {
        database = try GuardedDatabase(
            path: path, configuration: DatabaseConfiguration(autoVacuum: .incremental, synchronous: .full),
            migrations: Self.migrations)
    }

    func check() throws -> [String] { try database.use { try $0.quickCheck() } }

    /// Reads where it stands.
    /// - Parameters:
    ///   - generation: of the ingest file. Blocks of another one are of no use: their tables went with it.
    ///   - begin: where a new file stands.
    /// - Returns: samples and events of blocks that were dropped for that.
    func load(generation: [UInt8], begin: ForwardPosition) throws -> (samples: Int, events: Int) {
        try database.use { database in
            var (dropped, droppedEvents) = (0, 0)
            var found: ForwardState?
            var isForeign = false
            let statement = try database.statement(
                "SELECT generation, block, sample, endBlock, endSample FROM position WHERE id = 1")
            if try statement.step() {
                defer { statement.reset() }
                var state = ForwardState(
                    next: ForwardPosition(block: statement.integer(1), sample: Int(statement.integer(2))))
                if !statement.isNull(3) {
                    state.sending = ForwardPosition(block: statement.integer(3), sample: Int(statement.integer(4)))
                }
                isForeign = statement.blob(0) != generation
                found = isForeign ? ForwardState(next: ForwardPosition(block: 0)) : state
            }
            known.withLock { $0.generation = generation }
            if isForeign {
                dropped = Int(try database.integer("SELECT coalesce(sum(records), 0) FROM block") ?? 0)
                droppedEvents = Int(try database.integer("SELECT coalesce(sum(records), 0) FROM event") ?? 0)
                try database.transaction {
                    try database.execute("DELETE FROM block; DELETE FROM event; UPDATE lane SET next = 0")
                }
            }
            try loadLanes(from: database)
            let state = found ?? ForwardState(next: begin)
            try write(state, generation, in: database)
            let bytes = try database.integer("SELECT coalesce(sum(length(body)), 0) FROM block") ?? 0
            let blocks = try database.integer("SELECT count(*) FROM block") ?? 0
            known.withLock { known in
                known.state = state
                known.bytes = bytes
                known.blocks = Int(blocks)
            }
            return (dropped, droppedEvents)
        }
    }

    var state: ForwardState { known.withLock { $0.state } }
    var backlog: (blocks: Int, bytes: Int64) { known.withLock { ($0.blocks, $0.bytes) } }

    /// Durable when it returns; what lies before it is forgotten.
    func save(_ state: ForwardState) throws {
        try database.use { database in
            try write(state, known.withLock { $0.generation }, in: database)
            known.withLock { $0.state = state }
            if known.withLock({ $0.blocks }) > 0 { try remove(before: state.next.block, in: database) }
        }
    }

    private func write(_ state: ForwardState, _ generation: [UInt8], in database: Database) throws {
        try database.transaction(synchronous: .full) {
            let statement = try database.statement(
                """
                INSERT OR REPLACE INTO position(id, generation, block, sample, endBlock, endSample)
                  VALUES (1, ?1, ?2, ?3, ?4, ?5)
                """)
            try statement.bind(1, generation)
            try statement.bind(2, state.next.block)
            try statement.bind(3, Int64(state.next.sample))
            if let end = state.sending {
                try statement.bind(4, end.block)
                try statement.bind(5, Int64(end.sample))
            } else {
                try statement.bindNull(4)
                try statement.bindNull(5)
            }
            try statement.run()
        }
    }

    private func remove(before block: Int64, in database: Database) throws {
        let sizes = try database.statement(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM block WHERE id < ?1")
        try sizes.bind(1, block)
        guard try sizes.step() else { return }
        let (blocks, bytes) = (sizes.integer(0), sizes.integer(1))
        sizes.reset()
        guard blocks > 0 else { return }
        try database.transaction {
            let delete = try database.statement("DELETE FROM block WHERE id < ?1")
            try delete.bind(1, block)
            try delete.run()
        }
        try database.incrementalVacuum(pages: StoreLimits.vacuumPagesMax)
        known.withLock { known in
            known.blocks -= Int(blocks)
            known.bytes -= bytes
        }
    }

    /// Takes in blocks that leave level 0; those that are here already stay as they are. Durable when it returns.
    func keep(_ blocks: [(row: Row, body: [UInt8])]) throws {
        try database.use { database in
            var added: (blocks: Int, bytes: Int64) = (0, 0)
            try database.transaction(synchronous: .full) {
                let insert = try database.statement(
                    """
                    INSERT OR IGNORE INTO block(id, agent, shift, records, received, body)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                    """)
                for (row, body) in blocks {
                    try insert.bind(1, row.id)
                    try insert.bind(2, Int64(row.agent))
                    try insert.bind(3, row.shift)
                    try insert.bind(4, Int64(row.records))
                    try insert.bind(5, row.receivedAt)
                    try insert.bind(6, body)
                    try insert.run()
                    guard database.changes > 0 else { continue }
                    added.blocks += 1
                    added.bytes += Int64(body.count)
                }
            }
            known.withLock { known in
                known.blocks += added.blocks
                known.bytes += added.bytes
            }
        }
    }

    /// Drops the oldest blocks that are not on their way until at most `bytesMax` are left.
    /// - Returns: the samples in them that had not been handed on.
    func trim(to bytesMax: Int64) throws -> Int {
        guard backlog.bytes > bytesMax else { return 0 }
        return try database.use { database in
            let state = self.state
            // What is on its way is in memory, and counts as handed on when it is answered.
            let first = state.sending.map { $0.sample > 0 ? $0.block + 1 : $0.block } ?? state.next.block
            let statement = try database.statement(
                "SELECT id, records, length(body) FROM block WHERE id >= ?1 ORDER BY id")
            try statement.bind(1, first)
            var excess = backlog.bytes - bytesMax
            var (ids, samples, bytes): ([Int64], Int, Int64) = ([], 0, 0)
            while excess > 0, try statement.step() {
                ids.append(statement.integer(0))
                let sent = state.sending == nil && statement.integer(0) == state.next.block ? state.next.sample : 0
                samples += max(0, Int(statement.integer(1)) - sent)
                bytes += statement.integer(2)
                excess -= statement.integer(2)
            }
            statement.reset()
            guard !ids.isEmpty else { return 0 }
            try database.transaction {
                let delete = try database.statement("DELETE FROM block WHERE id = ?1")
                for id in ids {
                    try delete.bind(1, id)
                    try delete.run()
                }
            }
            known.withLock { known in
                known.blocks -= ids.count
                known.bytes -= bytes
            }
            return samples
        }
    }

    /// The blocks from `id` on, without bodies, ascending.
    func rows(from id: Int64, limit: Int) throws -> [Row] {
        guard backlog.blocks > 0 else { return [] }
        return try database.use { database in
            let statement = try database.statement(
                "SELECT id, agent, shift, records, received FROM block WHERE id >= ?1 ORDER BY id LIMIT ?2")
            try statement.bind(1, id)
            try statement.bind(2, Int64(limit))
            var rows: [Row] = []
            while try statement.step() {
                rows.append(
                    Row(
                        id: statement.integer(0), agent: AgentNumber(truncatingIfNeeded: statement.integer(1)),
                        shift: statement.integer(2), records: Int(statement.integer(3)),
                        receivedAt: statement.integer(4)))
            }
            return rows
        }
    }

    func body(of id: Int64) throws -> [UInt8]? { try database.use { try IngestFile.body(of: id, in: $0) } }

    /// Puts another body in a block's place.
    func replace(_ body: [UInt8], of id: Int64) throws {
        try database.use { database in
            let before = try IngestFile.body(of: id, in: database)?.count ?? 0
            try database.transaction(synchronous: .full) {
                let statement = try database.statement("UPDATE block SET body = ?2 WHERE id = ?1")
                try statement.bind(1, id)
                try statement.bind(2, body)
                try statement.run()
            }
            known.withLock { $0.bytes += Int64(body.count - before) }
        }
    }

    /// Writes the file anew without what free pages still show.
    func removeTraces() throws {
        try database.use { database in
            try database.vacuum(inMemory: database.fileBytes <= StoreLimits.vacuumMemoryBytesMax)
            try database.checkpoint(.truncate)
        }
    }

    func close() { database.close() }
}
