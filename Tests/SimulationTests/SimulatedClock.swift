import RuntimeSupport
import Telemetry

/// A node's clocks: both run with virtual time, the wall clock may be off and step, a boot begins the monotonic one
/// anew.
final class SimulatedClock {
    private(set) var time: ManualTimeSource
    private(set) var bootID: ID128
    var isSynchronized = true
    /// Of the wall clock against true time, milliseconds.
    private(set) var offset: Int64 = 0
    private var at: Int64 = 0

    init(bootID: ID128) {
        self.bootID = bootID
        time = ManualTimeSource(now: SimulatedFleet.epochStart)
    }

    /// Moves on to virtual time `now`, milliseconds.
    func move(to now: Int64) {
        guard now > at else { return }
        time.advance(milliseconds: now - at)
        at = now
    }

    func step(_ milliseconds: Int64) {
        offset += milliseconds
        time.stepWallClock(milliseconds: milliseconds)
    }

    func setOffset(_ milliseconds: Int64) { step(milliseconds - offset) }

    func boot(_ id: ID128) {
        bootID = id
        time = ManualTimeSource(now: time.now)
    }

    var reading: ClockReading {
        ClockReading(
            isSynchronized: isSynchronized, errorBoundMilliseconds: isSynchronized ? 1 : .max, bootID: bootID,
            monotonicNanoseconds: time.monotonicNanoseconds)
    }
}
