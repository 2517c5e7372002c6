import Glibc

/// Where the node's agent listens.
public enum AgentAddress: Sendable, Equatable, CustomStringConvertible {
    /// A path of at most 107 bytes.
    case unixSocket(String)
    /// A port on 127.0.0.1.
    case loopback(port: UInt16)

    /// The agent's ordinary places.
    public static let standardSocket = "/run/stagebox-agent/intake.sock"
    public static let standardPort: UInt16 = 9470

    /// `STAGEBOX_AGENT` (`unix:/path`, or a port number); else the standard socket if it is there; else the standard port.
    public static func standard() -> AgentAddress {
        if let text = getenv("STAGEBOX_AGENT").map({ String(cString: $0) }), let address = AgentAddress(text) {
            return address
        }
        return access(standardSocket, W_OK) == 0 ? .unixSocket(standardSocket) : .loopback(port: standardPort)
    }

    /// `unix:/path` or a port number.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            self = .unixSocket(String(text.dropFirst(5)))
        } else if let port = UInt16(text) {
            self = .loopback(port: port)
        } else {
            return nil
        }
    }

    public var description: String {
        switch self {
        case .unixSocket(let path): "unix:\(path)"
        case .loopback(let port): "127.0.0.1:\(port)"
        }
    }

    /// The address as the socket calls want it; nil when the path is too long.
    var socketAddress: [UInt8]? {
        switch self {
        case .unixSocket(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            return withUnsafeBytes(of: address) { Array($0) }
        case .loopback(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return withUnsafeBytes(of: address) { Array($0) }
        }
    }
}
