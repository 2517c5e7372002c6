import SQLite

/// Copies of a tenant's directory.
package enum StoreBackup {
    /// Copies a store that may be in use, through SQLite's backup interface: each file as of one moment.
    ///
    /// The order makes one store of them. Level 0 comes first: what moves on meanwhile is in both copies, and merged
    /// away by time and id. The index comes last: it names whatever any file before it holds.
    /// - Parameter target: made; must be empty.
    /// - Returns: the files copied.
    package static func copy(_ directory: String, to target: String) throws -> [String] {
        let found = StoreFiles.names(in: directory).filter { $0.hasSuffix(".sqlite") }
        guard found.contains("ingest.sqlite") else {
            throw StoreError(.file, "\(directory) is no tenant's directory: it has no ingest.sqlite")
        }
        try StoreFiles.makeDirectory(target)
        guard StoreFiles.names(in: target).isEmpty else {
            throw StoreError(.file, "\(target) is not empty: name a directory that does not exist yet")
        }
        var copied: [String] = []
        for name in found.sorted(by: { (rank($0), $0) < (rank($1), $1) }) {
            let path = "\(directory)/\(name)"
            // Retention may have taken a day meanwhile.
            guard StoreFiles.exists(path) else { continue }
            do {
                let source = try Database(path: path, configuration: .readOnly())
                defer { source.close() }
                // All in one step: a writer does not make it begin again, and in WAL mode is not held up.
                try source.backup(to: "\(target)/\(name)", pagesPerStep: -1)
                let copy = try Database(path: "\(target)/\(name)", configuration: DatabaseConfiguration())
                defer { copy.close() }
                if name == "deletions.sqlite" {
                    // The day files were copied before: they may still hold what is erased since.
                    try copy.execute("UPDATE deletion SET erased = 0")
                }
                if let finding = try copy.quickCheck().first {
                    throw StoreError(.damaged, "\(name): \(finding); see stagebox store check")
                }
            } catch let error as SQLiteError {
                throw StoreError(error, tenant: nil)
            }
            copied.append(name)
        }
        return copied
    }

    private static func rank(_ name: String) -> Int {
        switch name {
        case "ingest.sqlite": 0
        case "deletions.sqlite": 3
        case "index.sqlite": 4
        case "events.sqlite": 2
        default: 1
        }
    }

    /// Puts a copy back as a tenant's directory.
    /// - Parameter target: made; must hold no store.
    package static func restore(_ backup: String, to target: String) throws -> [String] {
        let check = try StoreCheck(directory: backup)
        if let finding = check.findings.first {
            throw StoreError(.damaged, "\(backup)/\(finding.file): \(finding.text); nothing was restored")
        }
        return try copy(backup, to: target)
    }
}
