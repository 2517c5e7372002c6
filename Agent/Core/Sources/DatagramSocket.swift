import Glibc

/// A bound datagram socket, UDP or Unix, that never blocks.
final class DatagramSocket {
    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ what: String, _ code: Int32) { description = "\(what): \(String(cString: strerror(code)))" }
    }

    /// Asked of the kernel, which gives up to `net.core.rmem_max`.
    private static let receiveBufferBytes: Int32 = 1 << 20

    let descriptor: Int32
    private let path: String?

    deinit {
        close(descriptor)
        if let path { unlink(path) }
    }

    /// - Parameter address: numeric, `127.0.0.1:8125` or `[::1]:8125`.
    init(udp address: String) throws {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE
        let colon = address.lastIndex(of: ":") ?? address.endIndex
        let host = address[..<colon].filter { $0 != "[" && $0 != "]" }
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(address[colon...].dropFirst()), &hints, &list) == 0, let found = list?.pointee
        else { throw Failure(address, EINVAL) }
        defer { freeaddrinfo(list) }
        descriptor = try Self.open(found.ai_family)
        path = nil
        guard bind(descriptor, found.ai_addr, found.ai_addrlen) == 0 else {
            throw Failure("cannot listen on \(address)", errno)
        }
    }

    /// A stale socket file of a killed agent is replaced, one that somebody listens on is not. Mode 0660.
    init(path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Failure(path, ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        descriptor = try Self.open(AF_UNIX)
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let descriptor = descriptor
        func perform(_ call: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32) -> Bool {
            withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call(descriptor, $0, length) == 0 }
            }
        }
        var isBound = perform(bind)
        if !isBound, errno == EADDRINUSE, !perform(connect), errno == ECONNREFUSED {
            unlink(path)
            isBound = perform(bind)
        }
        guard isBound else {
            self.path = nil
            throw Failure("cannot listen on \(path)", EADDRINUSE)
        }
        self.path = path
        chmod(path, 0o660)
    }

    private static func open(_ family: Int32) throws -> Int32 {
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw Failure("socket", errno) }
        var bytes = receiveBufferBytes
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        return descriptor
    }

    /// - Returns: the bytes of one packet, cut off at the buffer's size; nil when none waits.
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        return count >= 0 ? count : nil
    }
}
