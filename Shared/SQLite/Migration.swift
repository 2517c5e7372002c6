/// One step of a schema, in SQL text. The file's `user_version` counts the steps taken.
public struct Migration: Hashable, Sendable {
    public let text: String
    public init(_ text: String) { self.text = text }
}

extension Database {
    /// Takes the steps that the file has not seen, each in a transaction of its own with the new version. Several
    /// processes may do so at once: whoever comes second finds the step taken.
    /// - Throws: `SQLiteError` with code `error` when the file is newer than this program.
    public func migrate(_ migrations: [Migration]) throws {
        let version = try userVersion
        guard version <= migrations.count else {
            throw SQLiteError(
                extendedCode: SQLiteError.Code.error.rawValue,
                message: "schema version \(version) is newer than this program's \(migrations.count); upgrade it",
                operation: "migrate \(path)")
        }
        for (index, migration) in migrations.enumerated().dropFirst(version) {
            try transaction(synchronous: .full) {
                // Read again under the write lock.
                guard try userVersion == index else { return }
                try execute(migration.text)
                try execute("PRAGMA user_version=\(index + 1)")
            }
        }
    }

    /// The steps taken so far.
    public var userVersion: Int {
        get throws(SQLiteError) { Int(try integer("PRAGMA user_version") ?? 0) }
    }
}
