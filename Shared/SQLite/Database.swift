import CSQLite
import Glibc

/// One connection to one SQLite file, used by one thread at a time: the first that calls it, until
/// `transferOwnership()`. Every call checks that.
///
/// ```swift
/// let database = try Database(path: "/var/lib/x/y.sqlite", configuration: DatabaseConfiguration())
/// try database.migrate([Migration("CREATE TABLE points(at INTEGER PRIMARY KEY, value REAL) STRICT")])
/// try database.transaction { … }
/// ```
/// `@unchecked Sendable`: all state is touched by the owner thread only, which `Ownership` checks at each call.
public final class Database: @unchecked Sendable {
    public let path: String
    public let configuration: DatabaseConfiguration
    /// Statements kept prepared; texts are constants of the code, so more is a programming error.
    public static let statementsMax = 256

    let ownership = Ownership()
    private var handle: OpaquePointer?
    private var statements: [String: Statement] = [:]
    private var synchronous: DatabaseConfiguration.Synchronous
    /// Whether a transaction is open.
    public private(set) var isInTransaction = false

    /// Opens the file, in WAL mode when it may write.
    /// - Throws: also when the file is damaged beyond its first page or is no database (`SQLiteError.isDamage`).
    public init(path: String, configuration: DatabaseConfiguration = DatabaseConfiguration()) throws(SQLiteError) {
        self.path = path
        self.configuration = configuration
        synchronous = configuration.synchronous
        if configuration.access == .readWrite { try Self.create(path, mode: configuration.fileMode) }
        let access = configuration.access == .readWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY
        // No mutex: one thread at a time, checked. No URI: a path is a path.
        let flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE
        let result = sqlite3_open_v2(path, &handle, flags, nil)
        do throws(SQLiteError) {
            try check(result, "open \(path)")
            try check(stagebox_sqlite_harden(handle), "harden \(path)")
            sqlite3_busy_timeout(handle, configuration.busyTimeoutMilliseconds)
            try applyPragmas()
        } catch {
            sqlite3_close_v2(handle)
            handle = nil
            throw error
        }
    }

    deinit {
        for statement in statements.values { statement.finalize() }
        sqlite3_close_v2(handle)
    }

    /// Ends the connection; its statements must not be used again. The last writer's closing empties the WAL.
    /// Calling it again does nothing.
    public func close() {
        ownership.check()
        for statement in statements.values { statement.finalize() }
        statements.removeAll()
        sqlite3_close_v2(handle)
        handle = nil
    }

    public var isOpen: Bool { handle != nil }

    /// Lets the next thread that calls become the owner. Hand the connection over through something that
    /// synchronises (a queue, a thread's start).
    public func transferOwnership() {
        ownership.check()
        ownership.transfer()
    }

    // MARK: Statements

    /// The prepared statement of a text, prepared once and kept. In hot loops keep the result rather than ask
    /// again. Reset, without bound parameters of an earlier use cleared.
    public func statement(_ text: String) throws(SQLiteError) -> Statement {
        ownership.check()
        if let known = statements[text] { return known }
        precondition(statements.count < Self.statementsMax, "too many statements; bind parameters: \(text)")
        var prepared: OpaquePointer?
        try check(
            sqlite3_prepare_v3(connection, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil), text)
        guard let prepared else { throw error(SQLITE_MISUSE, "no statement in: \(text)") }
        let statement = Statement(prepared, text: text, ownership: ownership)
        statements[text] = statement
        return statement
    }

    /// Runs SQL text of one or more statements without parameters or results.
    public func execute(_ text: String) throws(SQLiteError) {
        ownership.check()
        try check(sqlite3_exec(connection, text, nil, nil, nil), text)
    }

    /// Prepares, reads one integer and forgets: for pragmas and rare questions.
    public func integer(_ text: String) throws(SQLiteError) -> Int64? {
        ownership.check()
        var prepared: OpaquePointer?
        try check(sqlite3_prepare_v3(connection, text, -1, 0, &prepared, nil), text)
        guard let prepared else { return nil }
        return try Statement(prepared, text: text, ownership: ownership).firstInteger()
    }

    /// The rows that the last insert, update or delete changed.
    public var changes: Int64 { sqlite3_changes64(connection) }

    // MARK: Transactions

    /// Runs `body` in an immediate transaction: committed when it returns, rolled back when it throws or the
    /// commit fails. Not nested.
    /// - Parameter synchronous: what this commit waits for; the configuration's value by default.
    public func transaction<Result>(
        synchronous wanted: DatabaseConfiguration.Synchronous? = nil, _ body: () throws -> Result
    ) throws -> Result {
        precondition(!isInTransaction, "transactions do not nest")
        try setSynchronous(wanted ?? configuration.synchronous)
        try statement("BEGIN IMMEDIATE").run()
        isInTransaction = true
        defer { isInTransaction = false }
        do {
            let result = try body()
            try statement("COMMIT").run()
            return result
        } catch {
            // Some failures (full, I/O, out of memory) have rolled back already.
            if sqlite3_get_autocommit(connection) == 0 { sqlite3_exec(connection, "ROLLBACK", nil, nil, nil) }
            throw error
        }
    }

    /// Runs `body` on one snapshot of the file (a deferred transaction; `body` only reads).
    public func snapshot<Result>(_ body: () throws -> Result) throws -> Result {
        precondition(!isInTransaction, "transactions do not nest")
        try statement("BEGIN DEFERRED").run()
        isInTransaction = true
        defer {
            isInTransaction = false
            if sqlite3_get_autocommit(connection) == 0 { sqlite3_exec(connection, "ROLLBACK", nil, nil, nil) }
        }
        return try body()
    }

    private func setSynchronous(_ wanted: DatabaseConfiguration.Synchronous) throws(SQLiteError) {
        guard wanted != synchronous else { return }
        try execute("PRAGMA synchronous=\(wanted.rawValue)")
        synchronous = wanted
    }

    // MARK: Opening

    private func applyPragmas() throws(SQLiteError) {
        // Debian builds SQLite with secure_delete on: then every freed page is written once more, full of zeros.
        let pages = -max(1, configuration.cacheBytes / 1024)
        try execute(
            "PRAGMA mmap_size=0; PRAGMA cache_size=\(pages); PRAGMA cell_size_check=ON; PRAGMA secure_delete=OFF; PRAGMA foreign_keys=ON"
        )
        guard configuration.access == .readWrite else {
            // The first read tells whether it is a database.
            _ = try integer("PRAGMA schema_version")
            return
        }
        if configuration.isExclusive { try execute("PRAGMA locking_mode=EXCLUSIVE") }
        try execute("PRAGMA page_size=\(configuration.pageSizeBytes)")
        try execute("PRAGMA auto_vacuum=\(configuration.autoVacuum.rawValue)")
        try execute("PRAGMA journal_mode=WAL")
        try execute("PRAGMA synchronous=\(configuration.synchronous.rawValue)")
        try execute("PRAGMA wal_autocheckpoint=\(configuration.walAutoCheckpointPages)")
        try execute("PRAGMA journal_size_limit=\(configuration.journalSizeLimitBytes)")
    }

    /// SQLite would create it with the umask's mode; an existing file keeps its own.
    private static func create(_ path: String, mode: UInt32) throws(SQLiteError) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            let code = errno == EACCES || errno == EROFS ? SQLITE_READONLY : SQLITE_CANTOPEN
            throw SQLiteError(extendedCode: code, message: reason, operation: "create \(path)")
        }
        Glibc.close(descriptor)
    }

    // MARK: Errors

    var connection: OpaquePointer {
        ownership.check()
        guard let handle else { preconditionFailure("\(path) was used after it was closed") }
        return handle
    }

    func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(SQLiteError) {
        guard result != SQLITE_OK else { return }
        throw error(result, operation())
    }

    func error(_ result: Int32, _ operation: String) -> SQLiteError {
        let message = sqlite3_errmsg(handle).map { String(cString: $0) } ?? "unknown error"
        let place = operation.split(separator: " ").contains { $0 == path } ? operation : "\(operation) in \(path)"
        return SQLiteError(extendedCode: result, message: message, operation: place)
    }
}
