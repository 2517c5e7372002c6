import Collectors
import Glibc
import RuntimeSupport
package import Telemetry

/// Reads the kernel's clock quality for batch headers.
package struct Clock {
    private let bootID: ID128
    private let time: SystemTimeSource
    /// adjtimex is asked at most once in this many nanoseconds.
    private static let cacheNanoseconds: UInt64 = 1_000_000_000

    private final class Cache {
        var readAt: UInt64 = 0
        var isSynchronized = false
        var errorBound: UInt32 = .max
    }
    private let cache = Cache()

    package init(procRoot: String = "/proc") {
        time = SystemTimeSource()
        var text = ""
        if let file = fopen("\(procRoot)/sys/kernel/random/boot_id", "r") {
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = fread(&bytes, 1, bytes.count, file)
            fclose(file)
            text = String(decoding: bytes[..<count].filter { $0 != UInt8(ascii: "-") && $0 > 32 }, as: UTF8.self)
        }
        bootID = ID128(hexadecimal: text) ?? .zero
    }

    package func reading() -> ClockReading {
        let now = time.monotonicNanoseconds
        if cache.readAt == 0 || now &- cache.readAt > Self.cacheNanoseconds {
            cache.readAt = now
            let discipline = ClockDiscipline.read()
            cache.isSynchronized = discipline?.isSynchronized ?? false
            cache.errorBound = UInt32(clamping: (discipline?.maximumErrorMicroseconds ?? .max) / 1000)
        }
        return ClockReading(
            isSynchronized: cache.isSynchronized, errorBoundMilliseconds: cache.errorBound, bootID: bootID,
            monotonicNanoseconds: now)
    }
}
