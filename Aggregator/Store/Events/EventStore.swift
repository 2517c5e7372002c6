import SQLite
import Synchronization
import Telemetry
import WireFormat

/// `events.sqlite`: the listening events of one tenant, each id once, earlier revisions kept as history.
///
///     batch    (id, first, last, count, kinds, dead)   kinds: bit per EventKind; dead: see below
///     body     (id, body)                              an event block as `WireFormat` encodes it
///     meta     (key, value)                            what level 0 has handed over
///     identity_run, identity_page                      where each id is: see ``IdentityRuns``
///
/// Events are kept as the columns they came in, so one costs its share of a block (tens of bytes) and 16 bytes for its
/// identity. An event is current unless its bit in `dead` is set: then a higher revision supersedes it and it stays
/// readable as history. The same id and revision again is not stored at all.
final class EventStore: Sendable {
    static let migrations = [
        Migration(
            """
            CREATE TABLE batch(id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
              count INTEGER NOT NULL, kinds INTEGER NOT NULL, dead BLOB) STRICT;
            CREATE TABLE body(id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
            CREATE TABLE identity(hash INTEGER PRIMARY KEY, place INTEGER NOT NULL) STRICT;
            CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
            """), Migration(IdentityRuns.schema),
    ]
    /// Files above this are not checked as a whole at opening; damage in them is met when it is read.
    static let checkBytesMax: Int64 = 64 << 20
    /// Events of one batch row: blocks are joined up to this.
    static let batchEventsMax = EventBlock.eventsMax

    let path: String
    private let opened = Mutex<Files?>(nil)

    private struct Files {
        let writer: GuardedDatabase
        let readers: ReaderPool
    }

    /// Opens the file if it is there; a tenant without events has none.
    init(path: String) throws {
        self.path = path
        if Database.fileBytes(path) > 0 || StoreFiles.exists(path) { _ = try files(creating: true) }
    }

    private func files(creating: Bool) throws -> Files? {
        try opened.withLock { opened in
            if let opened { return opened }
            guard creating else { return nil }
            let writer = try GuardedDatabase(
                path: path,
                configuration: DatabaseConfiguration(
                    autoVacuum: .incremental, cacheBytes: 32 << 20, synchronous: .full, walAutoCheckpointPages: 8192,
                    journalSizeLimitBytes: 16 << 20),
                migrations: Self.migrations)
            try writer.use { try IdentityRuns(database: $0).convert() }
            let files = Files(writer: writer, readers: ReaderPool(path: path))
            opened = files
            return files
        }
    }

    func check() throws -> [String] {
        guard Database.fileBytes(path) <= Self.checkBytesMax, let files = try files(creating: false) else { return [] }
        return try files.writer.use { try $0.quickCheck() }
    }

    func close() {
        guard let files = opened.withLock({ $0 }) else { return }
        files.readers.closeAll()
        files.writer.close()
    }

    // MARK: Taking over

    /// One batch as it comes from level 0.
    struct Incoming {
        let outline: EventOutline
        /// The bytes that encode exactly these events.
        let body: [UInt8]

        /// - Throws: when the body does not decode.
        init(body: [UInt8]) throws {
            self.body = body
            outline = try StoreCodec.outline(body)
        }
        /// - Parameter known: the bytes that encode the events, when they are at hand.
        init(_ events: [ListeningEvent], body known: [UInt8]? = nil) throws {
            body = try known ?? StoreCodec.encodeEvents(events)
            outline = EventOutline(events)
        }
    }

    /// The highest level-0 row of this generation of the ingest file that was taken over; 0 if none.
    func appliedThrough(generation: [UInt8]) throws -> Int64 {
        try files(creating: false)?.writer.use { try Self.applied($0, generation) } ?? 0
    }

    private static func applied(_ database: Database, _ generation: [UInt8]) throws -> Int64 {
        let statement = try database.statement("SELECT value FROM meta WHERE key = 'applied'")
        guard try statement.step() else { return 0 }
        defer { statement.reset() }
        let value = statement.blob(0)
        guard value.count == 24, Array(value.prefix(16)) == generation else { return 0 }
        return value.suffix(8).reduce(0) { $0 << 8 | Int64($1) }
    }

    /// Stores batches in one transaction, with the note that level-0 rows up to `through` are here.
    /// - Returns: how many events were new or of a higher revision.
    func take(_ batches: [Incoming], through: Int64, generation: [UInt8]) throws -> Int {
        guard let files = try files(creating: true) else { return 0 }
        return try files.writer.use { database in
            let taken = try database.transaction(synchronous: .full) {
                var filing = EventFiling(batches, database)
                let taken = try filing.run()
                let note = try database.statement("INSERT OR REPLACE INTO meta(key, value) VALUES ('applied', ?1)")
                try note.bind(
                    1, generation + (0..<8).map { UInt8(truncatingIfNeeded: through >> (56 - 8 * Int64($0))) })
                try note.run()
                return taken
            }
            while try IdentityRuns(database: database).mergeOnce() {}
            return taken
        }
    }

    // MARK: Reading

    /// A batch's place and bounds.
    struct Row: Sendable {
        let id: Int64
        let dead: [UInt8]
    }

    /// The next batches at or after `id` that reach into `range` and hold one of `kinds`, at most `limit`.
    func rows(from id: Int64, in range: ClosedRange<Timestamp>, kinds: Int64, limit: Int) throws -> [Row] {
        guard let files = try files(creating: false) else { return [] }
        return try files.readers.use { database in
            let statement = try database.statement(
                """
                SELECT id, dead FROM batch WHERE id >= ?1 AND first <= ?2 AND last >= ?3 AND kinds & ?4 <> 0
                ORDER BY id LIMIT ?5
                """)
            try statement.bind(1, id)
            try statement.bind(2, range.upperBound.milliseconds)
            try statement.bind(3, range.lowerBound.milliseconds)
            try statement.bind(4, kinds)
            try statement.bind(5, limit)
            var rows: [Row] = []
            while try statement.step() { rows.append(Row(id: statement.integer(0), dead: statement.blob(1))) }
            return rows
        }
    }

    func body(of id: Int64) throws -> [UInt8]? {
        try files(creating: false)?.readers.use { try Self.body(of: id, in: $0) }
    }

    static func body(of id: Int64, in database: Database) throws -> [UInt8]? {
        let statement = try database.statement("SELECT body FROM body WHERE id = ?1")
        try statement.bind(1, id)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return statement.blob(0)
    }

    // MARK: Upkeep

    /// Deletes batches whose every event happened before `time`; their ids are free again.
    /// - Returns: the batches deleted; call again while it is not 0.
    func remove(before time: Timestamp, limit: Int = 64) throws -> Int {
        guard let files = try files(creating: false) else { return 0 }
        return try files.writer.use { database in
            try database.transaction {
                let find = try database.statement("SELECT id FROM batch WHERE last < ?1 ORDER BY id LIMIT ?2")
                try find.bind(1, time.milliseconds)
                try find.bind(2, limit)
                var ids: [Int64] = []
                while try find.step() { ids.append(find.integer(0)) }
                for id in ids {
                    for table in ["batch", "body"] {
                        let delete = try database.statement("DELETE FROM \(table) WHERE id = ?1")
                        try delete.bind(1, id)
                        try delete.run()
                    }
                }
                return ids.count
            }
        }
    }

    func shrink(pagesMax: Int) throws {
        try files(creating: false)?.writer.use { database in
            try IdentityRuns(database: database).trim()
            if try database.freePageCount > 256 { try database.incrementalVacuum(pages: pagesMax) }
            try database.checkpoint(.truncate)
        }
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
