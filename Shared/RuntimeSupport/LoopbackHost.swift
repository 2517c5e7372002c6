import Glibc

/// Hosts that need no TLS and no login, since what is sent to them never leaves the machine.
public enum LoopbackHost {
    /// Whether a host as people write it is `localhost`, within 127.0.0.0/8, or `::1`.
    ///
    /// Numbers are read by inet_pton(3), so that what only looks like one ("127.example.org", "127.1") is a name, and
    /// no name but `localhost` (RFC 6761, section 6.3) is loopback. Without brackets.
    public static func isLoopback(_ host: some StringProtocol) -> Bool {
        let host = String(host)
        if host.lowercased() == "localhost" { return true }
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
        var six = in6_addr()
        guard inet_pton(AF_INET6, host, &six) == 1 else { return false }
        return withUnsafeBytes(of: six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
    }

    /// `host:port` with a port from 1 to 65535; an IPv6 host stands in brackets.
    /// - Returns: nil unless it is one; the host without brackets.
    public static func endpoint(_ text: String) -> (host: String, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return host.isEmpty ? nil : (String(host), port)
    }
}
