import Glibc
package import SQLite
import Synchronization

/// A connection that several threads take turns with: a lock, and the hand-over of its ownership.
///
/// One writer per file; readers have connections of their own in a ``ReaderPool``.
package final class GuardedDatabase: Sendable {
    private let database: Mutex<Database>
    package let path: String

    package init(path: String, configuration: DatabaseConfiguration, migrations: [Migration]) throws {
        let opened = try Database(path: path, configuration: configuration)
        try opened.migrate(migrations)
        opened.transferOwnership()
        self.path = path
        database = Mutex(opened)
    }

    /// Runs `body` while no other thread uses the connection.
    package func use<Result>(_ body: (Database) throws -> Result) throws -> Result {
        let result = database.withLock { database -> Swift.Result<Unchecked<Result>, any Error> in
            defer { if database.isOpen { database.transferOwnership() } }
            return Swift.Result { Unchecked(value: try body(database)) }
        }
        return try result.get().value
    }

    package func close() {
        database.withLock { database in
            database.close()
        }
    }

    /// Carries a result out of the lock. Safe, since `body` made it on this very thread.
    private struct Unchecked<Value>: @unchecked Sendable { let value: Value }
}

/// Read-only connections to one file; at most `countMax` are kept idle.
package final class ReaderPool: Sendable {
    package static let countMax = 4
    private let path: String
    private let cacheBytes: Int
    private let idle = Mutex<[Database]>([])

    package init(path: String, cacheBytes: Int = 1 << 20) {
        self.path = path
        self.cacheBytes = cacheBytes
    }

    /// Runs `body` on a connection. Short: a reader that stays holds up the file's checkpoints.
    package func use<Result>(_ body: (Database) throws -> Result) throws -> Result {
        let database =
            try idle.withLock { $0.popLast() } ?? Database(path: path, configuration: .readOnly(cacheBytes: cacheBytes))
        defer {
            database.transferOwnership()
            let extra = idle.withLock { idle -> Database? in
                guard idle.count < Self.countMax else { return database }
                idle.append(database)
                return nil
            }
            extra?.close()
        }
        return try body(database)
    }

    package func closeAll() {
        let all = idle.withLock { idle -> [Database] in
            defer { idle.removeAll() }
            return idle
        }
        for database in all { database.close() }
    }
}
