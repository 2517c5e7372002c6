import Dispatch
import Glibc
import SQLite
import Synchronization
import TestSupport
import Testing

@Suite("Database")
struct DatabaseTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("test.sqlite") }

    init() throws { directory = try TemporaryDirectory("sqlite") }

    private func make(_ configuration: DatabaseConfiguration = DatabaseConfiguration()) throws -> Database {
        let database = try Database(path: path, configuration: configuration)
        try database.migrate([Migration("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)")])
        return database
    }

    @Test("values of every type come back as they were bound")
    func values() throws {
        let database = try make()
        let insert = try database.statement("INSERT INTO t(id, a, b) VALUES (?1, ?2, ?3)")
        try insert.bind(1, Int64.min)
        try insert.bind(2, "Björk\0 – 音")
        try insert.bind(3, 0.1)
        try insert.run()
        try insert.bind(1, 2)
        try insert.bind(2, "")
        try insert.bind(3, [UInt8]())
        try insert.run()
        try insert.bind(1, 3)
        try insert.bindNull(2)
        let bytes: [UInt8] = (0...255).map { $0 }
        try bytes.withUnsafeBytes {
            try insert.bind(3, borrowing: $0)
            try insert.run()
        }
        let select = try database.statement("SELECT id, a, b, typeof(a), typeof(b) FROM t ORDER BY id")
        #expect(try select.step())
        #expect(select.integer(0) == .min && select.text(1) == "Björk\0 – 音" && select.double(2) == 0.1)
        #expect(try select.step())
        #expect(
            select.text(3) == "text" && select.text(1).isEmpty && select.text(4) == "blob" && select.blob(2).isEmpty)
        #expect(try select.step())
        #expect(select.isNull(1) && select.blob(2) == bytes)
        #expect(select.withBlob(2) { $0.count } == 256)
        #expect(try !select.step())
    }

    @Test("a failed transaction leaves nothing, whether the body or the commit failed")
    func rollback() throws {
        struct Stop: Error {}
        let database = try make()
        #expect(throws: Stop.self) {
            try database.transaction {
                try database.execute("INSERT INTO t VALUES (1, 'x', 'y')")
                throw Stop()
            }
        }
        try database.execute("CREATE TABLE child(t INTEGER REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED)")
        let error = #expect(throws: SQLiteError.self) {
            try database.transaction { try database.execute("INSERT INTO child VALUES (77)") }
        }
        #expect(error?.code == .constraint)
        #expect(try database.integer("SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM child)") == 0)
        try database.transaction { try database.execute("INSERT INTO t VALUES (1, 'x', 'y')") }
        #expect(try database.integer("SELECT count(*) FROM t") == 1)
    }

    @Test("an error keeps SQLite's primary and extended code, its words and the operation")
    func errors() throws {
        let database = try make()
        try database.execute("INSERT INTO t VALUES (1, 'x', 'y')")
        let insert = try database.statement("INSERT INTO t VALUES (1, 'x', 'y')")
        let error = #expect(throws: SQLiteError.self) { try insert.run() }
        #expect(error?.code == .constraint && error?.extendedCode == 1555)
        #expect(error?.message == "UNIQUE constraint failed: t.id" && error?.operation == insert.text)
        let syntax = #expect(throws: SQLiteError.self) { _ = try database.statement("SELEC 1") }
        #expect(syntax?.code == .error && syntax?.description.contains(path) == true)
        let missing = #expect(throws: SQLiteError.self) { _ = try Database(path: "/nowhere/at/all.sqlite") }
        #expect(missing?.code == .cannotOpen && missing?.description.contains("directory exists") == true)
    }

    @Test("migrations run once, in order, and a newer file is refused")
    func migrations() throws {
        let steps = [Migration("CREATE TABLE one(a)"), Migration("CREATE TABLE two(a); INSERT INTO two VALUES (7)")]
        var database = try Database(path: path)
        try database.migrate([steps[0]])
        #expect(try database.userVersion == 1)
        database.close()
        database = try Database(path: path)
        try database.migrate(steps)
        try database.migrate(steps)
        #expect(try database.userVersion == 2)
        #expect(try database.integer("SELECT count(*) FROM two") == 1)
        #expect(throws: SQLiteError.self) { try database.migrate([steps[0]]) }
        let broken = [steps[0], steps[1], Migration("CREATE TABLE three(a); CREATE TABLE one(a)")]
        #expect(throws: SQLiteError.self) { try database.migrate(broken) }
        #expect(try database.userVersion == 2)
        #expect(try database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'three'") == 0)
    }

    @Test("two programs that start at once migrate a file once")
    func concurrentMigrations() throws {
        let steps = [Migration("CREATE TABLE one(a)"), Migration("CREATE TABLE two(a); INSERT INTO two VALUES (7)")]
        for round in 0..<20 {
            let place = "\(path)-\(round)"
            let both = try [Database(path: place), Database(path: place)]
            for database in both { database.transferOwnership() }
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 2) { index in
                do { try both[index].migrate(steps) } catch { failures.withLock { $0.append("\(error)") } }
                both[index].transferOwnership()
            }
            let found = failures.withLock { $0 }
            #expect(found == [])
            #expect(try both[0].userVersion == 2)
            #expect(try both[1].integer("SELECT count(*) FROM two") == 1)
        }
    }

    @Test("a reader sees the last commit, writes nothing and creates nothing")
    func reader() throws {
        #expect(throws: SQLiteError.self) { _ = try Database(path: path, configuration: .readOnly()) }
        #expect(!Files.exists(path))
        let database = try make()
        try database.execute("INSERT INTO t VALUES (1, 'x', 'y')")
        let reader = try Database(path: path, configuration: .readOnly())
        try reader.snapshot {
            #expect(try reader.integer("SELECT count(*) FROM t") == 1)
            try database.execute("INSERT INTO t VALUES (2, 'x', 'y')")
            #expect(try reader.integer("SELECT count(*) FROM t") == 1)
        }
        #expect(try reader.integer("SELECT count(*) FROM t") == 2)
        let error = #expect(throws: SQLiteError.self) { try reader.execute("DELETE FROM t") }
        #expect(error?.code == .readOnly)
    }

    @Test("an exclusive connection keeps others out and leaves no -shm file")
    func exclusive() throws {
        let database = try make(DatabaseConfiguration(isExclusive: true))
        try database.execute("INSERT INTO t VALUES (1, 'x', 'y')")
        #expect(!Files.exists(path + "-shm"))
        let error = #expect(throws: SQLiteError.self) {
            _ = try Database(path: path, configuration: DatabaseConfiguration(busyTimeoutMilliseconds: 0))
        }
        #expect(error?.code == .busy)
    }

    @Test("a bound on the pages makes writes fail as full, and room makes them work again")
    func full() throws {
        let database = try make()
        let room = try database.pageCount + 4
        #expect(try database.setPagesMax(room) == room)
        let insert = try database.statement("INSERT INTO t(a, b) VALUES ('', ?1)")
        let error = #expect(throws: SQLiteError.self) {
            try database.transaction {
                for _ in 0..<100 {
                    try insert.bind(1, [UInt8](repeating: 1, count: 4000))
                    try insert.run()
                }
            }
        }
        #expect(error?.isFull == true && error?.isDamage == false)
        #expect(try database.integer("SELECT count(*) FROM t") == 0)
        #expect(try database.pageCount <= room)
        try database.setPagesMax(1 << 20)
        try database.transaction { try insert.run() }
        #expect(try database.integer("SELECT count(*) FROM t") == 1)
    }

    @Test("connections follow the settings they were opened with")
    func settings() throws {
        let configuration = DatabaseConfiguration(
            pageSizeBytes: 1024, autoVacuum: .incremental, synchronous: .full, journalSizeLimitBytes: 65_536)
        let database = try make(configuration)
        #expect(try database.pageSizeBytes == 1024)
        #expect(try database.integer("PRAGMA synchronous") == 2)
        #expect(try database.integer("PRAGMA mmap_size") == 0)
        let level = { try database.integer("PRAGMA synchronous") }
        let (loose, strict) = (try database.transaction(synchronous: .normal, level), try database.transaction(level))
        #expect(loose == 1 && strict == 2)
        let insert = try database.statement("INSERT INTO t(a, b) VALUES ('', zeroblob(100000))")
        for _ in 0..<20 { try insert.run() }
        try database.execute("DELETE FROM t")
        #expect(try database.freePageCount > 1900)
        try database.incrementalVacuum(pages: 10_000)
        #expect(try database.freePageCount == 0)
        let checkpoint = try database.checkpoint(.truncate)
        #expect(!checkpoint.wasBlocked && database.walBytes == 0)
        #expect(database.fileBytes < 20_000)
    }

    @Test("a backup holds what was committed")
    func backup() throws {
        let database = try make()
        try database.execute("INSERT INTO t VALUES (1, 'x', 'y')")
        try database.backup(to: directory.file("copy.sqlite"))
        let copy = try Database(path: directory.file("copy.sqlite"))
        #expect(try copy.integer("SELECT count(*) FROM t") == 1)
        #expect(try copy.integrityCheck().isEmpty)
    }

    @Test("ownership goes to another thread when it is transferred")
    func transfer() async throws {
        let database = try make()
        database.transferOwnership()
        let count = try await Task.detached {
            defer { database.transferOwnership() }
            return try database.integer("SELECT count(*) FROM t")
        }.value
        #expect(count == 0)
    }

    @Test("a connection used from a second thread without transfer ends the program")
    func ownership() async throws {
        await #expect(processExitsWith: .failure) {
            let directory = try TemporaryDirectory("sqlite-owner")
            let database = try Database(path: directory.file("a.sqlite"))
            database.transferOwnership()
            try database.execute("CREATE TABLE t(a)")
            var thread = pthread_t()
            let context = Unmanaged.passUnretained(database).toOpaque()
            pthread_create(
                &thread, nil,
                { context in
                    guard let context else { return nil }
                    // Only the check matters; what the query gives does not.
                    _ = try? Unmanaged<Database>.fromOpaque(context).takeUnretainedValue().integer("SELECT 1")
                    return nil
                }, context)
            pthread_join(thread, nil)
        }
    }
}
