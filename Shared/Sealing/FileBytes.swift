import Glibc

/// Whole small files: read bounded, replaced atomically and durably.
enum FileBytes {
    /// - Returns: nil when the file does not exist.
    static func read(_ path: String, bytesMax: Int, isSecret: Bool = false) throws(SealingError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .system("open", path: path, code: errno)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("fstat", path: path, code: errno) }
        if isSecret, status.st_mode & 0o077 != 0 {
            throw .unsafeKeyFile(path: path, "its group or others have access; use chmod 600")
        }
        guard status.st_size <= bytesMax else { throw .unsafeKeyFile(path: path, "larger than \(bytesMax) bytes") }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system("read", path: path, code: errno) }
            if count == 0 { break }
            done += count
        }
        bytes.removeLast(bytes.count - done)
        return bytes
    }

    /// Writes beside the file, fsyncs, renames over it, fsyncs the directory. Mode 0600.
    static func replace(_ path: String, with bytes: [UInt8]) throws(SealingError) {
        let temporary = "\(path).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system("open", path: temporary, code: errno) }
        do throws(SealingError) {
            defer { close(descriptor) }
            guard fchmod(descriptor, 0o600) == 0 else { throw .system("fchmod", path: temporary, code: errno) }
            try write(bytes, to: descriptor, temporary)
            guard fsync(descriptor) == 0 else { throw .system("fsync", path: temporary, code: errno) }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else { throw .system("rename", path: path, code: errno) }
        try syncDirectory(of: path)
    }

    static func destroy(_ path: String) throws(SealingError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw .system("open", path: path, code: errno)
        }
        var status = stat()
        if fstat(descriptor, &status) == 0, status.st_size > 0 {
            // Best effort: the unlink below is what counts.
            try? write([UInt8](repeating: 0, count: min(Int(status.st_size), 1 << 20)), to: descriptor, path)
            fsync(descriptor)
        }
        close(descriptor)
        guard unlink(path) == 0 || errno == ENOENT else { throw .system("unlink", path: path, code: errno) }
        try syncDirectory(of: path)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(SealingError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("write", path: path, code: errno) }
            done += count
        }
    }

    private static func syncDirectory(of path: String) throws(SealingError) {
        let parent = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", path: parent, code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("fsync", path: parent, code: errno) }
    }
}
