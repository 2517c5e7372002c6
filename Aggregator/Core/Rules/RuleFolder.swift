import Glibc
import Rules
import Telemetry

/// A tenant's rule files: `<data>/tenants/<tenant>/rules/*.yml` and `*.yaml`.
struct RuleFolder {
    /// More files are left out and told.
    static let filesMax = 256
    static let fileBytesMax = 4 << 20

    /// What tells that a file has changed.
    struct Mark: Equatable {
        let inode: UInt
        let size: Int
        let seconds: Int
        let nanoseconds: Int
    }
    let path: String

    /// Names, sorted, with their marks; empty without the folder.
    func files() -> [(name: String, mark: Mark)] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var files: [(name: String, mark: Mark)] = []
        while let entry = readdir(directory), files.count <= Self.filesMax {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            var status = stat()
            guard !name.hasPrefix("."), name.hasSuffix(".yml") || name.hasSuffix(".yaml"),
                stat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG
            else { continue }
            files.append(
                (
                    name,
                    Mark(
                        inode: UInt(status.st_ino), size: Int(status.st_size), seconds: status.st_mtim.tv_sec,
                        nanoseconds: status.st_mtim.tv_nsec)
                ))
        }
        return files.sorted { $0.name < $1.name }
    }

    /// - Returns: nil when it cannot be read or is too large.
    func read(_ name: String) -> [UInt8]? {
        guard let file = fopen("\(path)/\(name)", "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            bytes.append(contentsOf: chunk.prefix(count))
            guard bytes.count <= Self.fileBytesMax else { return nil }
            if count < chunk.count { return ferror(file) == 0 ? bytes : nil }
        }
    }
}
