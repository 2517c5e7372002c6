import SQLite
import Synchronization
import Telemetry

/// `deletions.sqlite`: the deletions that readers, compaction and late batches still have to know.
///
///     deletion (id, at, first, last, boundary, generation, series, listed, erased)
///              series: ids as in ``IDList``; listed 1: the index knows; erased 1: the samples are gone from the files
///
/// A file of its own, so that a damaged index or ingest file does not bring deleted samples back.
final class DeletionFile: Sendable {
    static let migrations = [
        Migration(
            """
            CREATE TABLE deletion(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, first INTEGER NOT NULL,
              last INTEGER NOT NULL, boundary INTEGER NOT NULL, generation BLOB NOT NULL, series BLOB NOT NULL,
              listed INTEGER NOT NULL, erased INTEGER NOT NULL) STRICT;
            """)
    ]

    private let database: GuardedDatabase
    private let known = Mutex(DeletionSet())

    init(path: String) throws {
        database = try GuardedDatabase(
            path: path, configuration: DatabaseConfiguration(synchronous: .full), migrations: Self.migrations)
    }

    func check() throws -> [String] { try database.use { try $0.quickCheck() } }

    /// - Returns: the deletions that the index may not know yet.
    func load(generation: [UInt8]) throws -> [Deletion] {
        var all: [Deletion] = []
        var unlisted: [Deletion] = []
        try database.use { database in
            let statement = try database.statement(
                "SELECT id, at, first, last, boundary, generation, series, listed, erased FROM deletion ORDER BY id")
            while try statement.step() {
                let first = statement.integer(2)
                let deletion = Deletion(
                    id: statement.integer(0), at: statement.integer(1), range: first...max(first, statement.integer(3)),
                    series: IDList.decode(statement.blob(6)).map { UInt32(truncatingIfNeeded: $0) },
                    boundary: statement.integer(4), generation: statement.blob(5), isErased: statement.integer(8) != 0)
                all.append(deletion)
                if statement.integer(7) == 0 { unlisted.append(deletion) }
            }
        }
        known.withLock { $0 = DeletionSet(all: all, generation: generation) }
        return unlisted
    }

    /// What is deleted at this moment. Take it before the lists of blocks and groups that it is applied to.
    var current: DeletionSet { known.withLock { $0 } }

    /// Ids follow the clock, so that they ascend even when this file was lost.
    func nextID(now: Timestamp) -> Int64 { max(now.milliseconds, current.highest + 1, 1) }

    /// Durable, and known to every reader that begins afterwards, when it returns.
    func insert(_ deletion: Deletion) throws {
        try database.use { database in
            try database.transaction(synchronous: .full) {
                let statement = try database.statement(
                    """
                    INSERT INTO deletion(id, at, first, last, boundary, generation, series, listed, erased)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0)
                    """)
                try statement.bind(1, deletion.id)
                try statement.bind(2, deletion.at)
                try statement.bind(3, deletion.range.lowerBound)
                try statement.bind(4, deletion.range.upperBound)
                try statement.bind(5, deletion.boundary)
                try statement.bind(6, deletion.generation)
                try statement.bind(7, IDList.encode(deletion.series.map { Int64($0) }))
                try statement.run()
            }
        }
        known.withLock { $0.all.append(deletion) }
    }

    /// Notes that series go on under other ids.
    func extend(_ renamed: [(old: SeriesID, fresh: SeriesID)]) throws {
        for deletion in current.all {
            let fresh = renamed.filter { deletion.contains($0.old.rawValue) }.map(\.fresh.rawValue)
            guard !fresh.isEmpty else { continue }
            let series = Set(deletion.series).union(fresh).sorted()
            try database.use { database in
                try database.transaction(synchronous: .full) {
                    let statement = try database.statement("UPDATE deletion SET series = ?2 WHERE id = ?1")
                    try statement.bind(1, deletion.id)
                    try statement.bind(2, IDList.encode(series.map { Int64($0) }))
                    try statement.run()
                }
            }
            known.withLock { set in
                for index in set.all.indices where set.all[index].id == deletion.id { set.all[index].series = series }
            }
        }
    }

    /// The index has been saved without what is deleted.
    func noteListed(_ id: Int64) throws { try update("UPDATE deletion SET listed = 1 WHERE id = ?1", id) }

    func noteErased(_ id: Int64) throws {
        try update("UPDATE deletion SET erased = 1 WHERE id = ?1", id)
        known.withLock { set in
            for index in set.all.indices where set.all[index].id == id { set.all[index].isErased = true }
        }
    }

    func forget(_ id: Int64) throws {
        try update("DELETE FROM deletion WHERE id = ?1", id)
        known.withLock { $0.all.removeAll { $0.id == id } }
    }

    private func update(_ text: String, _ id: Int64) throws {
        try database.use { database in
            try database.transaction(synchronous: .full) {
                let statement = try database.statement(text)
                try statement.bind(1, id)
                try statement.run()
            }
        }
    }

    func checkpoint() throws { try database.use { _ = try $0.checkpoint(.truncate) } }
    func close() { database.close() }
}
