import Glibc

/// The variables that this process was started with.
public enum ProcessEnvironment {
    /// For a child, `NAME=VALUE`: all but what systemd told us alone, or it would take the child's word for ours.
    public static var forChildren: [String] {
        var kept: [String] = []
        var cursor = environ
        while let entry = cursor.pointee {
            let isSystemd = strncmp(entry, "NOTIFY_SOCKET=", 14) == 0 || strncmp(entry, "WATCHDOG_", 9) == 0
            if !isSystemd { kept.append(String(cString: entry)) }
            cursor += 1
        }
        return kept
    }
}
