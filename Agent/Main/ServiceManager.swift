import Glibc

/// systemd's notification protocol, sd_notify(3): datagrams to `$NOTIFY_SOCKET`; nothing happens without it.
enum ServiceManager {
    /// `$WATCHDOG_USEC` in milliseconds; 0: no watchdog.
    static var watchdogMilliseconds: UInt64 {
        getenv("WATCHDOG_USEC").flatMap { UInt64(String(cString: $0)) }.map { $0 / 1000 } ?? 0
    }

    static func notify(_ state: String) {
        guard let path = getenv("NOTIFY_SOCKET") else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(String(cString: path).utf8)
        guard !name.isEmpty, name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }  // an abstract socket
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let message = Array(state.utf8)
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, message, message.count, 0, $0, length)
            }
        }
    }
}
