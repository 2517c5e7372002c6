import Glibc
import Store
import Synchronization

/// `limits.conf` in the data directory: what tenants may take, see ``TenantLimits/parse(_:)``. Read at the start, and
/// again when it has changed.
final class LimitsFile: Sendable {
    static let bytesMax = 1 << 20
    private let path: String
    private let changedAt = Mutex<[Int]>([])

    init(_ path: String) { self.path = path }

    /// Reads the file, if it is there and not as it was read last.
    /// - Returns: whether it was read.
    /// - Throws: ``TenantLimits/Invalid`` naming the line; the limits stay as they were.
    @discardableResult
    func load(into store: StoreDirectory) throws -> Bool {
        var status = stat()
        let isThere = stat(path, &status) == 0
        let mark = isThere ? [status.st_mtim.tv_sec, status.st_mtim.tv_nsec, Int(status.st_size)] : []
        guard changedAt.withLock({ $0 != mark }) else { return false }
        let text = isThere ? try Self.read(path) : ""
        store.setLimits(try TenantLimits.parse(text))
        changedAt.withLock { $0 = mark }
        return true
    }

    private static func read(_ path: String) throws(SmallFileError) -> String {
        guard let file = fopen(path, "r") else { throw SmallFileError(path: path, code: errno) }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
