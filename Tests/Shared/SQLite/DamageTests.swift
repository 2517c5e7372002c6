import RuntimeSupport
import SQLite
import TestSupport
import Testing

@Suite("Damaged files")
struct DamageTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.file("test.sqlite") }

    init() throws { directory = try TemporaryDirectory("sqlite-damage") }

    private func fill(rows: Int) throws {
        let database = try Database(path: path)
        try database.migrate([Migration("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")])
        let insert = try database.statement("INSERT INTO t(a) VALUES (?1)")
        try database.transaction {
            for row in 0..<rows {
                try insert.bind(1, [UInt8](repeating: UInt8(truncatingIfNeeded: row), count: 500))
                try insert.run()
            }
        }
        database.close()
    }

    @Test("a file that is no database is told from an empty one")
    func notADatabase() throws {
        try Files.write([], to: path)
        _ = try Database(path: path)
        try Files.write([UInt8](repeating: 7, count: 8192), to: path)
        let error = #expect(throws: SQLiteError.self) { _ = try Database(path: path) }
        #expect(error?.code == .notADatabase && error?.isDamage == true)
    }

    @Test("quickCheck finds a page of noise")
    func quickCheck() throws {
        try fill(rows: 200)
        var bytes = try Files.read(path)
        for index in 40_960..<45_056 { bytes[index] = UInt8(truncatingIfNeeded: index &* 31) }
        try Files.write(bytes, to: path)
        let database = try Database(path: path)
        #expect(try !database.quickCheck(max: 3).isEmpty)
    }

    @Test("quarantine moves all files aside under names of their own, and the newest can be told")
    func quarantine() throws {
        for round in 1...3 {
            try fill(rows: 10)
            try Files.write([1, 2, 3], to: path + "-wal")
            let aside = try Database.quarantine(path, unixSeconds: round < 3 ? 1000 : 2000)
            #expect(aside == "\(path).damaged-\(round < 3 ? 1000 : 2000)-\(round < 3 ? round : 1)")
            #expect(Files.exists(aside) && Files.exists(aside + "-wal"))
            #expect(!Files.exists(path) && !Files.exists(path + "-wal"))
        }
        let all = Database.quarantined(path)
        #expect(all.map { $0.dropFirst(path.count) } == [".damaged-1000-1", ".damaged-1000-2", ".damaged-2000-1"])
        Database.remove(all[0])
        #expect(Database.quarantined(path).count == 2 && !Files.exists(all[0] + "-wal"))
    }

    @Test("a truncated or flipped file opens or fails with an error, and never traps", arguments: 0..<60)
    func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        try fill(rows: 100)
        var bytes = try Files.read(path)
        if Bool.random(using: &generator) {
            bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
        } else {
            for _ in 0..<Int.random(in: 1...64, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] ^=
                    1 << UInt8.random(in: 0..<8, using: &generator)
            }
        }
        try Files.write(bytes, to: path)
        do {
            let database = try Database(path: path)
            _ = try database.quickCheck()
            _ = try database.integer("SELECT sum(length(a)) FROM t")
            try database.execute("INSERT INTO t(a) VALUES (zeroblob(5000))")
        } catch {
            #expect(error.isDamage || error.code == .error, "seed \(seed): \(error)")
        }
    }
}
