import Glibc
package import Store
import Synchronization

/// `limits.conf` in the data directory: what tenants may take, see ``TenantLimits/parse(_:)``. Read at the start, and
/// again within seconds when it has changed.
package final class LimitsFile: Sendable {
    static let bytesMax = 1 << 20
    private let path: String
    private let changedAt = Mutex<[Int]>([])

    package init(_ path: String) { self.path = path }

    /// Reads the file, if it is there and not as it was read last.
    /// - Returns: whether it was read.
    /// - Throws: ``TenantLimits/Invalid`` naming the line; the limits stay as they were. Once for each change.
    @discardableResult
    package func load(into store: StoreDirectory) throws -> Bool {
        var status = stat()
        let isThere = stat(path, &status) == 0
        let mark = isThere ? [status.st_mtim.tv_sec, status.st_mtim.tv_nsec, Int(status.st_size)] : []
        let isChanged = changedAt.withLock { known in
            defer { known = mark }
            return known != mark
        }
        guard isChanged else { return false }
        let text = isThere ? try Self.read(path) : ""
        store.setLimits(try TenantLimits.parse(text, retention: store.configuration.retention))
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
