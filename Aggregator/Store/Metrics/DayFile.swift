import SQLite
import Synchronization
import Telemetry
import WireFormat

/// `metrics-YYYYMMDD.sqlite`: the level-1 chunk groups whose windows start on one UTC day.
///
///     chunk (id, low, high, first, last, samples, body)   id: agent << 32 | window of the day << 28 | part
///     mark  (id, applied, rolled)                         applied: the highest deletion that the chunk was written
///                                                         under, or 0; rolled 1: its rollups are written;
///                                                         id 0: the file holds traces of what is deleted
///     moved (generation, ids)                             level-0 rows that this file holds and ingest may still
///
/// Parts of one (agent, window) count up and are never used again, so a higher part was committed later.
final class DayFile: Sendable {
    static let migrations = [
        Migration(
            """
            CREATE TABLE chunk(id INTEGER PRIMARY KEY, low INTEGER NOT NULL, high INTEGER NOT NULL,
              first INTEGER NOT NULL, last INTEGER NOT NULL, samples INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
            CREATE TABLE moved(generation BLOB NOT NULL, ids BLOB NOT NULL) STRICT;
            """),
        // A table of its own: a column behind the body would be reached by walking the body's pages only.
        Migration("CREATE TABLE mark(id INTEGER PRIMARY KEY, applied INTEGER NOT NULL) STRICT;"),
        Migration("ALTER TABLE mark ADD COLUMN rolled INTEGER NOT NULL DEFAULT 0;"),
    ]

    let day: Int64
    let path: String
    private let writer: GuardedDatabase
    private let readers: ReaderPool
    private static let numbers = Atomic<UInt64>(0)
    private static func nextNumber() -> UInt64 { numbers.add(1, ordering: .relaxed).newValue }
    private let currentNumber = Atomic(nextNumber())
    /// Of this opening of the file: while it stays, one id means one group.
    var number: UInt64 { currentNumber.load(ordering: .acquiring) }
    private func renumber() { currentNumber.store(Self.nextNumber(), ordering: .releasing) }

    init(day: Int64, path: String) throws {
        self.day = day
        self.path = path
        writer = try GuardedDatabase(
            path: path,
            configuration: DatabaseConfiguration(
                autoVacuum: .incremental, cacheBytes: 2 << 20, synchronous: .full, walAutoCheckpointPages: 4096),
            migrations: Self.migrations)
        readers = ReaderPool(path: path)
    }

    /// A group's place and what it covers, without its body.
    struct Row: Sendable {
        let id: Int64
        let low: UInt32
        let high: UInt32
        let first: Int64
        let last: Int64
        let samples: Int64
        let bytes: Int
        var agent: AgentNumber { AgentNumber(truncatingIfNeeded: id >> 32) }
        var window: Int64 { (id >> 28) & 15 }
        var slice: UInt32 { low / UInt32(StoreLimits.chunkGroupSeriesMax) }
    }

    struct NewChunk {
        var agent: AgentNumber
        /// 0 to 11.
        var window: Int64
        var low: UInt32
        var high: UInt32
        var first: Int64
        var last: Int64
        var samples: Int64
        var body: [UInt8]
    }

    static func base(_ agent: AgentNumber, _ window: Int64) -> Int64 { Int64(agent) << 32 | window << 28 }

    // MARK: Reading

    /// The groups of an agent, in the order of window and commit.
    func rows(of agent: AgentNumber) throws -> [Row] {
        try readers.use { database in
            try Self.rows(in: database, from: Self.base(agent, 0), to: Self.base(agent, 15) | 0xfff_ffff)
        }
    }

    /// Every group of the file. For compaction's planning and checks.
    func allRows() throws -> [Row] {
        try readers.use { try Self.rows(in: $0, from: .min, to: .max) }
    }

    private static func rows(in database: Database, from: Int64, to: Int64) throws -> [Row] {
        let statement = try database.statement(
            """
            SELECT id, low, high, first, last, samples, length(body) FROM chunk WHERE id BETWEEN ?1 AND ?2 ORDER BY id
            """)
        try statement.bind(1, from)
        try statement.bind(2, to)
        var found: [Row] = []
        while try statement.step() {
            found.append(
                Row(
                    id: statement.integer(0), low: UInt32(truncatingIfNeeded: statement.integer(1)),
                    high: UInt32(truncatingIfNeeded: statement.integer(2)), first: statement.integer(3),
                    last: statement.integer(4), samples: statement.integer(5), bytes: Int(statement.integer(6))))
        }
        return found
    }

    /// The highest deletion under which groups were written; groups that are not there: 0.
    func marks() throws -> [Int64: Int64] {
        try readers.use { database in
            let statement = try database.statement("SELECT id, applied FROM mark")
            var found: [Int64: Int64] = [:]
            while try statement.step() { found[statement.integer(0)] = statement.integer(1) }
            return found
        }
    }

    /// The groups whose samples are in the rollups.
    func rolled() throws -> Set<Int64> {
        try readers.use { database in
            let statement = try database.statement("SELECT id FROM mark WHERE rolled = 1")
            var found = Set<Int64>()
            while try statement.step() { found.insert(statement.integer(0)) }
            return found
        }
    }

    /// As ``rolled()``, of one agent.
    func rolled(of agent: AgentNumber) throws -> Set<Int64> {
        try readers.use { database in
            let statement = try database.statement("SELECT id FROM mark WHERE id BETWEEN ?1 AND ?2 AND rolled = 1")
            try statement.bind(1, Self.base(agent, 0))
            try statement.bind(2, Self.base(agent, 15) | 0xfff_ffff)
            var found = Set<Int64>()
            while try statement.step() { found.insert(statement.integer(0)) }
            return found
        }
    }

    func noteRolled(_ ids: [Int64]) throws {
        try writer.use { database in
            try database.transaction(synchronous: .normal) {
                let statement = try database.statement(
                    "INSERT INTO mark(id, applied, rolled) VALUES (?1, 0, 1) ON CONFLICT(id) DO UPDATE SET rolled = 1")
                for id in ids {
                    try statement.bind(1, id)
                    try statement.run()
                }
            }
        }
    }

    /// Their rollups are lost.
    func forgetRolled(_ ids: [Int64]) throws {
        try writer.use { database in
            try database.transaction(synchronous: .full) {
                let statement = try database.statement("UPDATE mark SET rolled = 0 WHERE id = ?1")
                for id in ids {
                    try statement.bind(1, id)
                    try statement.run()
                }
            }
        }
    }

    /// - Returns: nil when the group has been merged into another meanwhile.
    func body(of id: Int64) throws -> [UInt8]? {
        try readers.use { database in
            let statement = try database.statement("SELECT body FROM chunk WHERE id = ?1")
            try statement.bind(1, id)
            guard try statement.step() else { return nil }
            defer { statement.reset() }
            return statement.blob(0)
        }
    }

    // MARK: Writing

    /// Adds groups, takes out those that they replace, and notes the level-0 rows that they hold; one transaction.
    /// - Parameters:
    ///   - applied: the highest deletion that the groups were made under; 0: none.
    ///   - isErasing: overwrites the replaced groups' pages.
    func write(
        _ chunks: [NewChunk], replacing replaced: [Int64], moved: [Int64], generation: [UInt8], applied: Int64,
        isErasing: Bool = false
    ) throws {
        try writer.use { database in
            // Where nothing follows what is taken out, the highest ids may be given out again.
            defer { if chunks.isEmpty, !replaced.isEmpty { renumber() } }
            if isErasing { try database.execute("PRAGMA secure_delete=ON") }
            defer { if isErasing { try? database.execute("PRAGMA secure_delete=OFF") } }  // costs time only
            try database.transaction(synchronous: .full) {
                let next = try database.statement("SELECT max(id) FROM chunk WHERE id BETWEEN ?1 AND ?2")
                let insert = try database.statement(
                    """
                    INSERT INTO chunk(id, low, high, first, last, samples, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                    """)
                for chunk in chunks {
                    let base = Self.base(chunk.agent, chunk.window)
                    try next.bind(1, base)
                    try next.bind(2, base | 0xfff_ffff)
                    let id = (try next.firstInteger() ?? base) + 1
                    try insert.bind(1, id)
                    try insert.bind(2, Int64(chunk.low))
                    try insert.bind(3, Int64(chunk.high))
                    try insert.bind(4, chunk.first)
                    try insert.bind(5, chunk.last)
                    try insert.bind(6, chunk.samples)
                    try chunk.body.withUnsafeBytes { body in
                        try insert.bind(7, borrowing: body)
                        try insert.run()
                    }
                    if applied > 0 {
                        let mark = try database.statement("INSERT OR REPLACE INTO mark(id, applied) VALUES (?1, ?2)")
                        try mark.bind(1, id)
                        try mark.bind(2, applied)
                        try mark.run()
                    }
                }
                for text in ["DELETE FROM chunk WHERE id = ?1", "DELETE FROM mark WHERE id = ?1"] {
                    let delete = try database.statement(text)
                    for id in replaced {
                        try delete.bind(1, id)
                        try delete.run()
                    }
                }
                if isErasing {
                    let trace = try database.statement("INSERT OR REPLACE INTO mark(id, applied) VALUES (0, ?1)")
                    try trace.bind(1, applied)
                    try trace.run()
                }
                if !moved.isEmpty {
                    let note = try database.statement("INSERT INTO moved(generation, ids) VALUES (?1, ?2)")
                    try note.bind(1, generation)
                    try note.bind(2, IDList.encode(moved))
                    try note.run()
                }
            }
        }
    }

    /// Level-0 rows of this generation of the ingest file whose part for this day is here; other notes are removed.
    func moved(generation: [UInt8]) throws -> Set<Int64> {
        try writer.use { database in
            var ids = Set<Int64>()
            let statement = try database.statement("SELECT ids FROM moved WHERE generation = ?1")
            try statement.bind(1, generation)
            while try statement.step() { ids.formUnion(IDList.decode(statement.blob(0))) }
            if try database.integer("SELECT count(*) FROM moved") ?? 0 > 0 {
                let delete = try database.statement("DELETE FROM moved WHERE generation <> ?1")
                try delete.bind(1, generation)
                try delete.run()
            }
            return ids
        }
    }

    /// Forgets the notes once the rows are gone from the ingest file.
    func forgetMoved() throws {
        try writer.use { database in
            // Not waited for: a note that comes back names ids that are gone for good.
            try database.transaction(synchronous: .normal) { try database.execute("DELETE FROM moved") }
        }
    }

    /// Gives free pages back and empties the WAL.
    func shrink(pagesMax: Int) throws {
        try writer.use { database in
            if try database.freePageCount > 0 { try database.incrementalVacuum(pages: pagesMax) }
            try database.checkpoint(.truncate)
        }
    }

    /// Writes a file anew that holds traces of what is deleted: without free pages and their old content. What a
    /// reader keeps in the WAL meanwhile goes with the next ``shrink()``.
    func removeTraces() throws {
        try writer.use { database in
            guard try database.integer("SELECT count(*) FROM mark WHERE id = 0") ?? 0 > 0 else { return }
            try database.vacuum(inMemory: database.fileBytes <= StoreLimits.vacuumMemoryBytesMax)
            try database.transaction { try database.execute("DELETE FROM mark WHERE id = 0") }
            try database.checkpoint(.truncate)
        }
    }

    func quickCheck() throws -> [String] { try writer.use { try $0.quickCheck() } }

    func close() {
        readers.closeAll()
        writer.close()
    }
}

/// Ascending row ids as varint distances.
enum IDList {
    static func encode(_ ids: [Int64]) -> [UInt8] {
        var writer = ByteWriter(reserving: ids.count * 2)
        var previous: Int64 = 0
        for id in ids {
            writer.write(zigzag: id &- previous)
            previous = id
        }
        return writer.bytes
    }
    /// Stops at the first byte that makes no sense: a shorter list only means that rows are merged again.
    static func decode(_ bytes: [UInt8]) -> [Int64] {
        bytes.withUnsafeBytes { buffer in
            var reader = ByteReader(buffer)
            var ids: [Int64] = []
            var previous: Int64 = 0
            while reader.remaining > 0, let delta = try? reader.readZigzag("id") {
                previous = previous &+ delta
                ids.append(previous)
            }
            return ids
        }
    }
}
