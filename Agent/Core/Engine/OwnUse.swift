import Glibc

/// What this process has used.
package struct OwnUse: Sendable, Equatable {
    /// Of all its threads, since it started.
    package var cpuMilliseconds: Int64
    package var residentBytes: Int64

    package init(cpuMilliseconds: Int64, residentBytes: Int64) {
        self.cpuMilliseconds = cpuMilliseconds
        self.residentBytes = residentBytes
    }

    /// - Returns: nil when /proc cannot be read.
    package static func now() -> OwnUse? {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0, let file = fopen("/proc/self/statm", "r") else {
            return nil
        }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 128)
        let count = fread(&text, 1, text.count, file)
        let fields = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = Int64(fields[1]) else { return nil }
        return OwnUse(
            cpuMilliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000,
            residentBytes: pages * Int64(sysconf(Int32(_SC_PAGESIZE))))
    }
}

/// Judges the agent's own use over windows of ten seconds while a manifest bakes.
struct OwnUseWatch {
    static let windowMilliseconds: Int64 = 10_000
    /// Thousandths of one core, on average over a window; a backlog sent at full speed stays below.
    static let cpuPerMilleMax: Int64 = 500
    static let residentBytesMax: Int64 = 256 << 20

    private var from: (use: OwnUse, at: Int64)?

    mutating func begin(_ use: OwnUse?, now: Int64) { from = use.map { ($0, now) } }

    /// - Returns: nil while the window is not over.
    mutating func judge(_ use: OwnUse?, now: Int64) -> (exceeded: String?, at: Int64)? {
        guard let use else { return nil }
        guard let from else {
            begin(use, now: now)
            return nil
        }
        let elapsed = now - from.at
        guard elapsed >= Self.windowMilliseconds else { return nil }
        begin(use, now: now)
        let share = (use.cpuMilliseconds - from.use.cpuMilliseconds) * 1000 / elapsed
        if share > Self.cpuPerMilleMax {
            return ("it used \(share / 10) % of a core; \(Self.cpuPerMilleMax / 10) % are allowed", now)
        }
        if use.residentBytes > Self.residentBytesMax {
            return ("it holds \(use.residentBytes >> 20) MiB; \(Self.residentBytesMax >> 20) MiB are allowed", now)
        }
        return (nil, now)
    }
}
