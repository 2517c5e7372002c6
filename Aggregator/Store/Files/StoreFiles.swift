import Glibc
import SQLite
import Telemetry

/// Opening a tenant's files so that a damaged one costs itself only.
enum StoreFiles {
    /// Makes the directory and those above it.
    static func makeDirectory(_ path: String) throws {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
            throw StoreError(.file, "make directory \(made): \(String(cString: strerror(errno)))")
        }
    }

    /// Opens and checks; what is damaged is set aside, reported and made anew.
    static func open<File>(
        _ path: String, now: Timestamp, reports: inout [DamageReport], consequence: String,
        _ open: (String) throws -> File, check: (File) throws -> [String]
    ) throws -> File {
        do {
            let file = try open(path)
            let findings = try check(file)
            guard let first = findings.first else { return file }
            throw StoreError(.damaged, first)
        } catch {
            guard let finding = damage(in: error) else { throw error }
            _ = try Database.quarantine(path, unixSeconds: now.milliseconds / 1000)
            let name = path.split(separator: "/").last.map(String.init) ?? path
            reports.append(DamageReport(at: now, file: name, finding: finding, consequence: consequence))
            let file = try open(path)
            _ = try check(file)
            return file
        }
    }

    /// The finding, when an error means that a file's content is damaged.
    static func damage(in error: any Error) -> String? {
        if let error = error as? SQLiteError, error.isDamage { return error.description }
        if let error = error as? StoreError, error.code == .damaged { return error.message }
        return nil
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The names in a directory; empty when there is none.
    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
