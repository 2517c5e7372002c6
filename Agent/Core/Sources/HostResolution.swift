import Collectors
import Glibc
import Synchronization

/// Looks a host's name up on a thread of its own, since getaddrinfo(3) takes as long as the resolver does. A pipe becomes
/// readable when it is done.
///
/// At most ``threadsMax`` names are looked up at a time; the thread of one that is given up ends with the resolver's own
/// timeout.
final class HostResolution: Sendable {
    static let threadsMax = 8
    private static let threads = Mutex(0)

    /// For poll(2).
    let descriptor: Int32
    private let writingEnd: Int32
    private let found = Mutex<[SocketAddress]?>(nil)

    /// - Returns: nil when as many names as may be are looked up already, or no descriptor is left.
    init?(_ host: String, _ port: UInt16) {
        let isFree = Self.threads.withLock { count in
            guard count < Self.threadsMax else { return false }
            count += 1
            return true
        }
        guard isFree else { return nil }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            Self.threads.withLock { $0 -= 1 }
            return nil
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (descriptor, writingEnd) = (ends[0], ends[1])
        // Nobody waits for it; it holds what it writes to.
        WorkerThread(name: "resolver") { [self] in
            let addresses = SocketAddress.resolve(host, port, isNumber: false)
            found.withLock { $0 = addresses }
            var byte: UInt8 = 0
            _ = write(writingEnd, &byte, 1)
            Self.threads.withLock { $0 -= 1 }
        }.detach()
    }

    deinit {
        close(descriptor)
        close(writingEnd)
    }

    /// - Returns: nil while it is not done; empty when the name is not known.
    var addresses: [SocketAddress]? { found.withLock { $0 } }
}
