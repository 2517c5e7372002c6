import Glibc
import TestSupport

/// The built programs, and how long and large the smoke tests are to be.
enum SmokePrograms {
    /// `STAGEBOX_BIN_DIR`, else this package's release build.
    static let directory: String = {
        if let named = getenv("STAGEBOX_BIN_DIR") { return String(cString: named) }
        let parts = #filePath.split(separator: "/").dropLast(4)
        return "/" + parts.joined(separator: "/") + "/.build/release"
    }()

    static func path(_ program: String) -> String { "\(directory)/\(program)" }

    /// Whether everything that the process tree needs is installed and built.
    static let areThere =
        ["stagebox", "stagebox-agent", "stagebox-aggregator"].allSatisfy { Files.isExecutable(path($0)) }
        && ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].contains { Files.isExecutable($0) }

    /// `STAGEBOX_SMOKE=full`: the long and large forms.
    static let isFull = getenv("STAGEBOX_SMOKE").map { String(cString: $0) } == "full"

    /// `STAGEBOX_SMOKE_SECONDS`: how long processes are killed.
    static let seconds: Double =
        getenv("STAGEBOX_SMOKE_SECONDS").flatMap { Double(String(cString: $0)) } ?? 60

    /// `STAGEBOX_SMOKE_SEED` replays the choices of a run, though not the kernel's scheduling.
    static let seed: UInt64 =
        getenv("STAGEBOX_SMOKE_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 1...999_999)
}

/// Seconds on the monotonic clock.
func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
