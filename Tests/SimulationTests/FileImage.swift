import Glibc
import RuntimeSupport
import TestSupport

/// A SQLite file and its WAL as a crash would leave them.
struct FileImage {
    var main: [UInt8]
    var wal: [UInt8]

    init(_ path: String) {
        main = (try? Files.read(path)) ?? []
        wal = (try? Files.read(path + "-wal")) ?? []
    }

    func write(to path: String) throws {
        guard !main.isEmpty || !wal.isEmpty else { return }
        try Files.write(main, to: path)
        try Files.write(wal, to: path + "-wal")
    }

    /// A power cut: what was written since `earlier` is there in part. The WAL's beginning is `earlier`'s unless a
    /// checkpoint came between; then nothing since `earlier` survives.
    func torn(since earlier: FileImage, using generator: inout SeededGenerator) -> FileImage {
        guard main == earlier.main, wal.count > earlier.wal.count, wal.starts(with: earlier.wal) else { return earlier }
        var torn = earlier
        torn.wal = Array(wal.prefix(Int.random(in: earlier.wal.count...wal.count, using: &generator)))
        return torn
    }

    mutating func flip(_ bits: Int, using generator: inout SeededGenerator) {
        guard !main.isEmpty else { return }
        for _ in 0..<bits {
            main[Int.random(in: main.indices, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
    }

    /// Every file of a folder and those below it, but not what SQLite keeps in shared memory.
    static func copyTree(_ from: String, _ to: String) throws {
        mkdir(to, 0o755)
        guard let directory = opendir(from) else { throw SystemError("opendir \(from)") }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." || name.hasSuffix("-shm") { continue }
            var status = stat()
            guard lstat("\(from)/\(name)", &status) == 0 else { throw SystemError("lstat \(name)") }
            if status.st_mode & S_IFMT == S_IFDIR {
                try copyTree("\(from)/\(name)", "\(to)/\(name)")
            } else {
                try Files.write(Files.read("\(from)/\(name)"), to: "\(to)/\(name)")
            }
        }
    }

    static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR, let directory = opendir(path) {
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { names.append(name) }
            }
            closedir(directory)
            names.forEach { removeTree("\(path)/\($0)") }
        }
        _ = Glibc.remove(path)
    }
}

extension FileImage {
    static func makeDirectory(_ path: String) throws {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw SystemError("mkdir \(path)") }
    }
}
