import CSQLite
import Glibc

extension Database {
    /// Moves a damaged database with its -wal and -shm aside, to `path.damaged-<unixSeconds>-<n>`, so that a new
    /// one can be made in its place. The connection must be closed.
    ///
    /// The -wal goes last: should the power fail between the renames, a WAL without its database is found and
    /// set aside at the next call rather than replayed into a new file.
    /// - Returns: the new path of the main file.
    public static func quarantine(_ path: String, unixSeconds: Int64) throws(SQLiteError) -> String {
        var number = 0
        var target = ""
        repeat {
            number += 1
            target = "\(path).damaged-\(unixSeconds)-\(number)"
        } while ["", "-wal", "-shm"].contains { access(target + $0, F_OK) == 0 }
        for suffix in ["", "-shm", "-wal"] where access(path + suffix, F_OK) == 0 {
            guard rename(path + suffix, target + suffix) == 0 else {
                throw SQLiteError(
                    extendedCode: SQLITE_CANTOPEN, message: String(cString: strerror(errno)),
                    operation: "move \(path + suffix) aside to \(target + suffix)")
            }
        }
        synchronizeDirectory(of: path)
        return target
    }

    /// What was set aside for `path`, oldest first.
    public static func quarantined(_ path: String) -> [String] {
        let (directory, name) = split(path)
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var found: [(seconds: Int64, number: Int64, path: String)] = []
        while let entry = readdir(stream) {
            let file = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let prefix = "\(name).damaged-"
            guard file.hasPrefix(prefix) else { continue }
            let parts = file.dropFirst(prefix.count).split(separator: "-")
            guard parts.count == 2, let seconds = Int64(parts[0]), let number = Int64(parts[1]) else { continue }
            found.append((seconds, number, "\(directory)/\(file)"))
        }
        return found.sorted { ($0.seconds, $0.number) < ($1.seconds, $1.number) }.map(\.path)
    }

    /// Removes a database with its -wal and -shm; missing files are no error.
    public static func remove(_ path: String) {
        for suffix in ["", "-shm", "-wal"] { unlink(path + suffix) }
    }

    private static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let directory = String(path[..<slash])
        return (directory.isEmpty ? "/" : directory, String(path[path.index(after: slash)...]))
    }

    /// Makes the renames durable; a failure only means that a power cut may undo them.
    private static func synchronizeDirectory(of path: String) {
        let descriptor = open(split(path).directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        Glibc.close(descriptor)
    }
}
