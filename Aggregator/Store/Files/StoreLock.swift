import Glibc
import Synchronization

/// Keeps other processes out of a tenant's directory: a lock on its file `lock`, gone with the process.
///
/// The lock is the process's (fcntl(2), F_SETLK): the same process may open a store again.
final class StoreLock: Sendable {
    private struct Held {
        let descriptor: Int32
        var count: Int
    }
    /// Closing any descriptor of the file gives the process's lock up, so there is one for all.
    private static let held = Mutex<[String: Held]>([:])
    private let path: String

    /// - Throws: ``StoreError`` `file` when another process has the store open.
    init(directory: String) throws {
        let path = "\(directory)/lock"
        self.path = path
        try Self.held.withLock { held in
            if held[path] == nil { held[path] = Held(descriptor: try Self.lock(path), count: 0) }
            held[path]?.count += 1
        }
    }

    deinit {
        Self.held.withLock { [path] held in
            held[path]?.count -= 1
            guard let last = held[path], last.count == 0 else { return }
            Glibc.close(last.descriptor)
            held[path] = nil
        }
    }

    private static func lock(_ path: String) throws -> Int32 {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StoreError(.file, "open \(path): \(String(cString: strerror(errno)))")
        }
        var lock = Glibc.flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        guard fcntl(descriptor, F_SETLK, &lock) == 0 else {
            let reason = errno
            Glibc.close(descriptor)
            throw StoreError(
                .file,
                reason == EAGAIN || reason == EACCES
                    ? "\(path): another process has this store open; is an aggregator running?"
                    : "lock \(path): \(String(cString: strerror(reason)))")
        }
        return descriptor
    }
}
