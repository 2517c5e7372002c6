import Glibc
import Sources

/// One request that never blocks.
final class HTTPFetch {
    enum Outcome {
        case answer(HTTPAnswer)
        case failed(String)
    }

    private(set) var outcome: Outcome?
    /// Monotonic milliseconds.
    let deadlineMilliseconds: Int64

    private var addresses: ArraySlice<SocketAddress>
    /// While the host's name is looked up.
    private var resolution: HostResolution?
    private var descriptor: Int32 = -1
    private var isConnected = false
    private var unsent: ArraySlice<UInt8>
    private let request: [UInt8]
    private var reader: HTTPAnswerReader

    convenience init(_ target: HTTPTarget, accept: String, bodyBytesMax: Int, deadlineMilliseconds: Int64) {
        self.init(
            target, request: target.request(accept: accept), bodyBytesMax: bodyBytesMax,
            deadlineMilliseconds: deadlineMilliseconds)
    }

    /// - Parameter request: the whole of it, head and body.
    init(_ target: HTTPTarget, request: [UInt8], bodyBytesMax: Int, deadlineMilliseconds: Int64) {
        self.deadlineMilliseconds = deadlineMilliseconds
        self.request = request
        unsent = request[...]
        reader = HTTPAnswerReader(bodyBytesMax: bodyBytesMax)
        addresses = SocketAddress.resolve(target.host, target.port, isNumber: true)[...]
        if addresses.isEmpty {
            resolution = HostResolution(target.host, target.port)
            if resolution == nil { end(.failed("too many names are being looked up")) }
        } else {
            connectNext("no address")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    var interest: pollfd? {
        guard outcome == nil else { return nil }
        if let resolution { return pollfd(fd: resolution.descriptor, events: Int16(POLLIN), revents: 0) }
        return pollfd(fd: descriptor, events: Int16(unsent.isEmpty ? POLLIN : POLLOUT), revents: 0)
    }

    func ready() {
        guard outcome == nil else { return }
        if let resolution {
            guard let found = resolution.addresses else { return }
            self.resolution = nil
            addresses = found[...]
            return connectNext("the host's name is not known")
        }
        if !isConnected {
            var code: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
            guard code == 0 else { return connectNext(String(cString: strerror(code))) }
            isConnected = true
        }
        if !unsent.isEmpty { return send() }
        receive()
    }

    func expire(now monotonicMilliseconds: Int64) {
        if monotonicMilliseconds >= deadlineMilliseconds { end(.failed(Self.tooLate)) }
    }

    /// The reason of what the deadline ended.
    static let tooLate = "no answer in time"

    /// The next of the host's addresses, or the end.
    private func connectNext(_ reason: String) {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        guard let address = addresses.popFirst() else { return end(.failed(reason)) }
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { return end(.failed(String(cString: strerror(errno)))) }
        guard !address.connect(descriptor), errno != EINPROGRESS else { return }
        connectNext(String(cString: strerror(errno)))
    }

    private func send() {
        let sent = unsent.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if sent > 0 { unsent = unsent.dropFirst(sent) }
        if sent < 0, errno != EAGAIN, errno != EINTR { end(.failed(String(cString: strerror(errno)))) }
    }

    private func receive() {
        let fault = withUnsafeTemporaryAllocation(byteCount: Self.chunkBytes, alignment: 1) { chunk -> HTTPFault? in
            for _ in 0..<Self.chunksPerTurn where outcome == nil {
                let count = recv(descriptor, chunk.baseAddress, chunk.count, 0)
                if count < 0 {
                    if errno != EAGAIN, errno != EINTR { end(.failed(String(cString: strerror(errno)))) }
                    return nil
                }
                do throws(HTTPFault) {
                    if count > 0 { try reader.read(UnsafeRawBufferPointer(rebasing: chunk[..<count])) }
                    if count == 0 || reader.isComplete { end(.answer(try reader.finish())) }
                } catch {
                    return error
                }
            }
            return nil
        }
        if let fault { end(.failed("\(fault)")) }
    }
    private static let chunkBytes = 16 * 1024
    /// Between two looks at everything else.
    private static let chunksPerTurn = 16

    private func end(_ outcome: Outcome) {
        guard self.outcome == nil else { return }
        self.outcome = outcome
        resolution = nil
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}

/// An address as the kernel takes it.
struct SocketAddress: Sendable {
    var family: Int32
    private var bytes: [UInt8]

    /// - Parameter isNumber: only what needs no looking up; else a name, which may take as long as the resolver does.
    static func resolve(_ host: String, _ port: UInt16, isNumber: Bool) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = isNumber ? AI_NUMERICHOST : 0
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            let bytes = UnsafeRawBufferPointer(start: entry.ai_addr, count: Int(entry.ai_addrlen))
            found.append(SocketAddress(family: entry.ai_family, bytes: Array(bytes)))
        }
        return found
    }

    /// - Returns: whether it is connected already; else errno says more.
    func connect(_ descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            guard let address = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return false }
            return Glibc.connect(descriptor, address, socklen_t(bytes.count)) == 0
        }
    }
}
