import Glibc
import Synchronization
public import Telemetry

/// Where time comes from. Nothing else in the project reads a clock.
public protocol TimeSource: Sendable {
    /// Wall clock; may step.
    var now: Timestamp { get }
    /// Nanoseconds since boot, never stepping, suspended time included.
    var monotonicNanoseconds: UInt64 { get }
}

/// The kernel's clocks: CLOCK_REALTIME and CLOCK_BOOTTIME.
public struct SystemTimeSource: TimeSource {
    public init() {}
    public var now: Timestamp {
        let time = Self.read(CLOCK_REALTIME)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
    public var monotonicNanoseconds: UInt64 {
        let time = Self.read(CLOCK_BOOTTIME)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        clock_gettime(clock, &time)
        return time
    }
}

/// Time that moves only when told: for tests and the simulation.
public final class ManualTimeSource: TimeSource {
    private let state: Mutex<(now: Timestamp, monotonic: UInt64)>

    public init(now: Timestamp = Timestamp(seconds: 1_767_225_600), monotonicNanoseconds: UInt64 = 1_000_000_000) {
        state = Mutex((now, monotonicNanoseconds))
    }
    public var now: Timestamp { state.withLock { $0.now } }
    public var monotonicNanoseconds: UInt64 { state.withLock { $0.monotonic } }
    /// Both clocks move on together.
    public func advance(milliseconds: Int64) {
        state.withLock {
            $0.now = $0.now.advanced(byMilliseconds: milliseconds)
            $0.monotonic &+= UInt64(max(0, milliseconds)) * 1_000_000
        }
    }
    /// The wall clock steps; the monotonic one does not notice.
    public func stepWallClock(milliseconds: Int64) {
        state.withLock { $0.now = $0.now.advanced(byMilliseconds: milliseconds) }
    }
}
