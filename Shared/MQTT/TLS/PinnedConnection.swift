import COpenSSL
import Glibc
public import Telemetry

/// One TLS 1.3 connection to a server known by the SHA-256 of its public key (SubjectPublicKeyInfo), or a
/// plain one to loopback: what enrolment speaks before it knows any certificate authority. Blocking.
public final class PinnedConnection {
    /// How the server's key is judged.
    public enum Trust: Sendable, Hashable {
        /// It has this SHA-256.
        case key(ID256)
        /// An authority in this PEM file vouches for it and the host's name.
        case authority(path: String)
        /// Whatever it is: to show somebody its hash. Send nothing secret.
        case unverified
    }

    public enum Failure: Error, Equatable, CustomStringConvertible {
        case cannotConnect(String, code: Int32)
        case handshake(String)
        /// Somebody else answers at this address.
        case wrongKey(found: String)
        case io(String)
        case tooLarge(Int)
        static let late = "no answer in time"
        static let tooLong = "the answer takes too long"
        static let unread = "the other side takes too long to read"
        /// The other side ended the connection; it is not merely slow.
        var isBreak: Bool {
            if case .io(let reason) = self { ![Self.late, Self.tooLong, Self.unread].contains(reason) } else { false }
        }
        public var description: String {
            switch self {
            case .cannotConnect(let target, let code):
                "cannot connect to \(target): \(String(cString: strerror(code))); is the aggregator running there?"
            case .handshake(let reason): "the TLS 1.3 handshake failed: \(reason)"
            case .wrongKey(let found):
                "the server's key is not the one expected (found \(found)): nothing was sent; ask for a new token, or sign in again"
            case .io(let reason): "the connection broke: \(reason)"
            case .tooLarge(let bytes): "the answer is larger than \(bytes) bytes"
            }
        }
    }

    private let socket: Int32
    private var context: OpaquePointer?
    private var session: OpaquePointer?
    /// SHA-256 of the server's public key; nil on plain TCP.
    public private(set) var serverKeyHash: ID256?

    /// - Parameters:
    ///   - trust: nil speaks plain TCP.
    ///   - timeoutSeconds: for connecting and for each read and write.
    public init(host: String, port: UInt16, trust: Trust?, timeoutSeconds: Int = 20) throws(Failure) {
        socket = try Self.open(host, port, timeoutSeconds)
        if let trust { try handshake(host, trust) }
    }

    /// - Parameter keyHash: nil speaks plain TCP.
    public convenience init(
        host: String, port: UInt16, keyHash: ID256?, timeoutSeconds: Int = 20
    ) throws(Failure) {
        try self.init(host: host, port: port, trust: keyHash.map { .key($0) }, timeoutSeconds: timeoutSeconds)
    }

    deinit {
        SSL_free(session)
        SSL_CTX_free(context)
        close(socket)
    }

    private static func open(_ host: String, _ port: UInt16, _ timeoutSeconds: Int) throws(Failure) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0 else {
            throw .cannotConnect("\(host):\(port)", code: ENOENT)
        }
        defer { freeaddrinfo(list) }
        var code: Int32 = ECONNREFUSED
        var next = list
        while let address = next?.pointee {
            next = address.ai_next
            let descriptor = Glibc.socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard descriptor >= 0 else { continue }
            var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
            let size = socklen_t(MemoryLayout<timeval>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
            if connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return descriptor }
            code = errno
            close(descriptor)
        }
        throw .cannotConnect("\(host):\(port)", code: code)
    }

    private func handshake(_ host: String, _ trust: Trust) throws(Failure) {
        context = SSL_CTX_new(TLS_client_method())
        stagebox_ssl_ctx_require_tls13(context)
        if case .authority(let path) = trust {
            guard SSL_CTX_load_verify_locations(context, path, nil) == 1 else {
                throw .handshake("\(path) holds no certificate authority in PEM")
            }
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        } else {
            // The key itself is checked below; the chain says nothing before enrolment.
            SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        }
        session = SSL_new(context)
        if case .authority = trust, X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) != 1 {
            SSL_set1_host(session, host)
        }
        stagebox_ssl_set_server_name(session, host)
        SSL_set_fd(session, socket)
        guard SSL_connect(session) == 1 else { throw .handshake(Self.lastError()) }
        guard let certificate = SSL_get1_peer_certificate(session) else { throw .handshake("no certificate") }
        defer { X509_free(certificate) }
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded)
        guard count > 0, let encoded else { throw .handshake("unreadable public key") }
        defer { stagebox_openssl_free(encoded) }
        var digest = [UInt8](repeating: 0, count: 32)
        SHA256(encoded, Int(count), &digest)
        serverKeyHash = ID256(bytes: digest)
        if case .key(let expected) = trust, CRYPTO_memcmp(digest, expected.bytes, 32) != 0 {
            throw .wrongKey(found: Hexadecimal.encode(digest))
        }
    }

    /// Nothing has come that nobody has read: while no answer is due, the other side has not ended the connection.
    var isQuiet: Bool {
        var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, 0) == 0
    }

    /// Monotonic seconds: for ``send(_:until:)`` and ``read(max:until:isComplete:)``.
    public static func deadline(secondsFromNow seconds: Int) -> Int { now() + seconds }

    static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }

    /// - Throws: ``Failure/io(_:)`` when the peer does not take it, or not all by the deadline.
    public func send(_ bytes: [UInt8], until deadline: Int = .max) throws(Failure) {
        var offset = 0
        while offset < bytes.count {
            guard Self.now() < deadline else { throw .io(Failure.unread) }
            let sent = bytes.withUnsafeBytes { buffer -> Int in
                let rest = UnsafeRawBufferPointer(
                    rebasing: buffer[offset..<min(buffer.count, offset + Self.pieceBytes)])
                return session != nil
                    ? Int(SSL_write(session, rest.baseAddress, Int32(rest.count)))
                    : Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if sent < 0, session == nil, errno == EINTR { continue }
            guard sent > 0 else { throw .io("writing failed") }
            offset += sent
        }
    }

    private static let pieceBytes = 16 * 1024

    /// Reads until there is all of the answer, or the server closes.
    /// - Parameter isComplete: is given all that has come so far.
    /// - Throws: ``Failure/io(_:)`` for a server that is silent for the connection's timeout, not done by the deadline,
    ///   or gone without TLS's farewell, so that nothing that was cut off is taken for the whole.
    public func read(
        max: Int, until deadline: Int, isComplete: (_ bytes: [UInt8]) -> Bool
    ) throws(Failure) -> [UInt8] {
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: Self.pieceBytes)
        while !isComplete(received) {
            guard Self.now() < deadline else { throw .io(Failure.tooLong) }
            let count = chunk.withUnsafeMutableBytes { buffer -> Int in
                session != nil
                    ? Int(SSL_read(session, buffer.baseAddress, Int32(buffer.count)))
                    : recv(socket, buffer.baseAddress, buffer.count, 0)
            }
            if count <= 0 {
                if try isEnd(count) { break }
                continue
            }
            received.append(contentsOf: chunk[..<count])
            guard received.count <= max else { throw .tooLarge(max) }
        }
        return received
    }

    /// - Returns: whether the server has said all; false: try again.
    private func isEnd(_ count: Int) throws(Failure) -> Bool {
        let code = errno
        if let session {
            switch SSL_get_error(session, Int32(count)) {
            case SSL_ERROR_ZERO_RETURN: return true
            case SSL_ERROR_WANT_READ: throw .io(Failure.late)
            default: throw .io("it ended before the answer did")
            }
        }
        if count == 0 { return true }
        if code == EINTR { return false }
        throw .io(code == EAGAIN ? Failure.late : String(cString: strerror(code)))
    }

    private static func lastError() -> String {
        var text = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(ERR_get_error(), &text, text.count)
        return text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }
}
