import CSQLite
import Glibc

extension Database {
    // MARK: The WAL

    public enum CheckpointMode: Int32, Sendable {
        /// Never waits; copies what no reader needs.
        case passive = 0
        /// Waits for the other writers, then copies everything.
        case full = 1
        /// And makes the next writer begin at the WAL's start.
        case restart = 2
        /// And cuts the WAL file to nothing.
        case truncate = 3
    }
    public struct Checkpoint: Hashable, Sendable {
        /// A reader or writer kept it from finishing.
        public var wasBlocked: Bool
        public var walPages: Int
        public var copiedPages: Int
    }

    /// Copies committed pages from the WAL into the file. Busy connections are not an error.
    @discardableResult
    public func checkpoint(_ mode: CheckpointMode) throws(SQLiteError) -> Checkpoint {
        var pages: (wal: Int32, copied: Int32) = (0, 0)
        let result = sqlite3_wal_checkpoint_v2(connection, nil, mode.rawValue, &pages.wal, &pages.copied)
        if result & 0xff != SQLITE_BUSY { try check(result, "checkpoint") }
        return Checkpoint(
            wasBlocked: result & 0xff == SQLITE_BUSY, walPages: Int(max(0, pages.wal)),
            copiedPages: Int(max(0, pages.copied)))
    }

    // MARK: Checks

    /// Structure of every page and record, indexes not compared. Reads the whole file.
    /// - Returns: what is wrong, at most `max` findings; empty when nothing is.
    public func quickCheck(max: Int = 1) throws(SQLiteError) -> [String] { try findings("quick_check", max) }

    /// `quickCheck` and the indexes.
    public func integrityCheck(max: Int = 1) throws(SQLiteError) -> [String] { try findings("integrity_check", max) }

    private func findings(_ name: String, _ max: Int) throws(SQLiteError) -> [String] {
        let check = try statement("PRAGMA \(name)(\(max))")
        var found: [String] = []
        do throws(SQLiteError) {
            while try check.step() { found.append(check.text(0)) }
        } catch  where error.isDamage {
            // Pages that cannot even be walked end the check early.
            found.append(error.message)
        }
        return found == ["ok"] ? [] : found
    }

    // MARK: Sizes

    /// Bytes per page of this file.
    public var pageSizeBytes: Int { get throws(SQLiteError) { Int(try integer("PRAGMA page_size") ?? 0) } }
    /// Pages of the file, those in the WAL included.
    public var pageCount: Int { get throws(SQLiteError) { Int(try pragma("PRAGMA page_count")) } }
    /// Pages of the file that hold nothing and will be used again.
    public var freePageCount: Int { get throws(SQLiteError) { Int(try pragma("PRAGMA freelist_count")) } }
    /// The bound beyond which writes fail as `full`; never below the present size.
    public var pagesMax: Int { get throws(SQLiteError) { Int(try integer("PRAGMA max_page_count") ?? 0) } }

    /// Sets the bound on the file's pages.
    /// - Returns: the bound in force (a file that is larger already keeps its size).
    @discardableResult
    public func setPagesMax(_ count: Int) throws(SQLiteError) -> Int {
        Int(try integer("PRAGMA max_page_count=\(max(1, count))") ?? 0)
    }

    private func pragma(_ text: String) throws(SQLiteError) -> Int64 { try statement(text).firstInteger() ?? 0 }

    /// Bytes of the main file on disk; 0 when it is missing.
    public var fileBytes: Int64 { Self.fileBytes(path) }
    /// Bytes of the -wal file on disk.
    public var walBytes: Int64 { Self.fileBytes(path + "-wal") }

    public static func fileBytes(_ path: String) -> Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }

    /// Gives up to `pages` free pages back to the file system (auto-vacuum `incremental` only). The file shrinks
    /// at the next checkpoint.
    public func incrementalVacuum(pages: Int) throws(SQLiteError) {
        let vacuum = try statement("PRAGMA incremental_vacuum(\(max(1, pages)))")
        try vacuum.run()
    }

    /// Writes the file anew without its free pages; costs a copy of what is alive, in memory or in a temporary
    /// file, and as much in the WAL until the next checkpoint. Not within a transaction.
    public func vacuum(inMemory: Bool) throws(SQLiteError) {
        try execute("PRAGMA temp_store=\(inMemory ? 2 : 1)")
        try execute("VACUUM")
    }

    /// Makes commits of level `normal` durable now, without a checkpoint. Closing the descriptor drops no lock:
    /// SQLite never locks the -wal file itself.
    public func synchronizeWAL() throws(SQLiteError) {
        let descriptor = Glibc.open(path + "-wal", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw SQLiteError(
                extendedCode: SQLITE_CANTOPEN, message: String(cString: strerror(errno)), operation: "sync \(path)-wal")
        }
        defer { Glibc.close(descriptor) }
        guard fdatasync(descriptor) == 0 else {
            throw SQLiteError(
                extendedCode: SQLITE_IOERR, message: String(cString: strerror(errno)), operation: "sync \(path)-wal")
        }
    }

    /// Pages that this connection has written (in WAL mode: to the WAL; checkpoints are not counted).
    public var pagesWritten: Int { status(SQLITE_DBSTATUS_CACHE_WRITE) }
    /// Pages that this connection had to read from the files.
    public var pagesRead: Int { status(SQLITE_DBSTATUS_CACHE_MISS) }

    private func status(_ what: Int32) -> Int {
        var (current, highest): (Int32, Int32) = (0, 0)
        sqlite3_db_status(connection, what, &current, &highest, 0)
        return Int(current)
    }

    // MARK: Copies

    /// Copies the database to a new file while it stays in use; a write by another connection starts it over.
    /// - Parameter pagesPerStep: how much is copied between two calls of `progress` (pages left, pages in all).
    public func backup(
        to target: String, pagesPerStep: Int32 = 256, progress: (Int, Int) -> Void = { _, _ in }
    ) throws(SQLiteError) {
        var other: OpaquePointer?
        defer { sqlite3_close_v2(other) }
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        try check(sqlite3_open_v2(target, &other, flags, nil), "open \(target) for a backup of \(path)")
        guard let backup = sqlite3_backup_init(other, "main", connection, "main") else {
            throw error(sqlite3_extended_errcode(other), "backup \(path) to \(target)")
        }
        var result = SQLITE_OK
        repeat {
            result = sqlite3_backup_step(backup, pagesPerStep)
            progress(Int(sqlite3_backup_remaining(backup)), Int(sqlite3_backup_pagecount(backup)))
            if result & 0xff == SQLITE_BUSY || result & 0xff == SQLITE_LOCKED { sqlite3_sleep(5) }
        } while [SQLITE_OK, SQLITE_BUSY, SQLITE_LOCKED].contains(result & 0xff)
        let finished = sqlite3_backup_finish(backup)
        guard result == SQLITE_DONE, finished == SQLITE_OK else {
            throw error(finished == SQLITE_OK ? result : finished, "backup \(path) to \(target)")
        }
    }
}
