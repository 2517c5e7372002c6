public import Telemetry

/// Which collectors are due when, and what becomes of those that fail or hang. Pure: time and outcomes come in.
///
/// * Ticks lie on the wall-clock grid (multiples of the interval since 1970), so that all agents sample at the
///   same instants. A clock that steps back realigns the grid at once.
/// * A collector that fails is skipped for its interval times 2, 4, 8 … up to ``backoffMillisecondsMax``; one
///   whose source does not exist is looked for every ``unavailableRetryMilliseconds``.
/// * A collector that does not return within ``timeoutMilliseconds`` is hung: its worker is given up and a
///   successor carries on with the rest. It is tried again, with back-off, only when its worker came back.
///   At most ``abandonedWorkersMax`` workers are given up at a time; beyond that the tick waits.
/// * Ticks that passed without a collection count as missed, measured on the monotonic clock.
public struct CollectorSchedule: Sendable {
    public static let timeoutMilliseconds: Int64 = 2000
    public static let abandonedWorkersMax = 4
    public static let backoffMillisecondsMax: Int64 = 300_000
    public static let unavailableRetryMilliseconds: Int64 = 60_000
    /// A tick that begins later than this after its grid point bears the time at which it began.
    public static let latenessMillisecondsMax: Int64 = 100
    public static let intervalMillisecondsRange: ClosedRange<Int64> = 100...3_600_000

    public enum State: Sendable, Equatable {
        case idle
        case running(worker: UInt64, sinceNanoseconds: UInt64)
        /// Given up with this worker, which has not come back.
        case hung(worker: UInt64)
    }

    /// One collector's standing.
    public struct Entry: Sendable {
        public let name: String
        public let defaultIntervalMilliseconds: Int64
        public internal(set) var intervalMilliseconds: Int64
        public internal(set) var isEnabled = true
        public internal(set) var state = State.idle
        /// Collections, also failed ones.
        public internal(set) var runs: UInt64 = 0
        public internal(set) var failures: UInt64 = 0
        public internal(set) var hangs: UInt64 = 0
        /// Ticks that passed without a collection while the collector was on.
        public internal(set) var missedTicks: UInt64 = 0
        public internal(set) var nanosecondsTotal: UInt64 = 0
        /// Lines of kernel text that could not be understood.
        public internal(set) var malformedLines: UInt64 = 0
        /// The source does not exist on this machine (as of the last attempt).
        public internal(set) var isUnavailable = false
        public internal(set) var lastError: CollectorError?
        var nextDue: Int64 = .min
        var lastStart: UInt64?
        var notBefore: UInt64 = 0
        var failuresInARow = 0
        /// Neither hung nor failing.
        public var isUp: Bool { failuresInARow == 0 }
    }

    /// What is due at one instant.
    public struct Tick: Sendable, Equatable {
        public var timestamp: Timestamp
        /// Indices into ``entries``, ascending.
        public var collectors: [Int]
        public init(timestamp: Timestamp, collectors: [Int]) {
            self.timestamp = timestamp
            self.collectors = collectors
        }
    }

    public private(set) var entries: [Entry]
    public private(set) var abandonedWorkers = 0

    /// - Parameter collectors: name and default interval of each, in the order in which they run.
    public init(collectors: [(name: String, intervalMilliseconds: Int64)]) {
        entries = collectors.map {
            Entry(
                name: $0.name, defaultIntervalMilliseconds: $0.intervalMilliseconds,
                intervalMilliseconds: $0.intervalMilliseconds)
        }
    }

    // MARK: Configuration

    /// Changes one collector's interval (nil: its default) and switches it on or off.
    /// - Returns: false when there is no such collector or the interval is out of range; nothing changes then.
    @discardableResult
    public mutating func configure(_ name: String, intervalMilliseconds: Int64?, isEnabled: Bool) -> Bool {
        guard let index = entries.firstIndex(where: { $0.name == name }) else { return false }
        let interval = intervalMilliseconds ?? entries[index].defaultIntervalMilliseconds
        guard Self.intervalMillisecondsRange.contains(interval) else { return false }
        if interval != entries[index].intervalMilliseconds || isEnabled != entries[index].isEnabled {
            entries[index].intervalMilliseconds = interval
            entries[index].isEnabled = isEnabled
            entries[index].nextDue = .min
            entries[index].lastStart = nil
        }
        return true
    }

    // MARK: Time

    /// Takes what is due now and plans its next time. Nil: nothing is.
    public mutating func takeDue(now: Timestamp, monotonicNanoseconds: UInt64) -> Tick? {
        let now = now.milliseconds
        var due: [Int] = []
        var finest = Int64.max
        for index in entries.indices where entries[index].isEnabled && entries[index].state == .idle {
            let interval = entries[index].intervalMilliseconds
            // First time: at the next grid point. Far ahead: the clock stepped back.
            let ahead = Timestamp(milliseconds: entries[index].nextDue).milliseconds(
                since: Timestamp(milliseconds: now))
            if entries[index].nextDue == .min || ahead > interval {
                entries[index].nextDue = Self.gridPoint(after: now - 1, interval)
            }
            guard entries[index].nextDue <= now else { continue }
            entries[index].nextDue = Self.gridPoint(after: now, interval)
            guard entries[index].notBefore <= monotonicNanoseconds else { continue }
            due.append(index)
            finest = min(finest, interval)
        }
        guard !due.isEmpty else { return nil }
        let grid = Self.gridPoint(after: now, finest) - finest
        return Tick(
            timestamp: Timestamp(milliseconds: now - grid <= Self.latenessMillisecondsMax ? grid : now), collectors: due
        )
    }

    /// How long until something is due, 1…1000 ms (so that a stepped clock is noticed within a second).
    public func delayMilliseconds(now: Timestamp) -> Int64 {
        var delay: Int64 = 1000
        for entry in entries where entry.isEnabled && entry.state == .idle {
            delay = min(delay, Timestamp(milliseconds: entry.nextDue).milliseconds(since: now))
        }
        return max(1, delay)
    }

    // MARK: Runs

    /// A worker is about to call the collector.
    public mutating func begin(_ index: Int, worker: UInt64, monotonicNanoseconds: UInt64) {
        let interval = UInt64(entries[index].intervalMilliseconds) * 1_000_000
        if let last = entries[index].lastStart, monotonicNanoseconds > last {
            let periods = (monotonicNanoseconds - last + interval / 2) / interval
            if periods > 1 { entries[index].missedTicks &+= periods - 1 }
        }
        entries[index].lastStart = monotonicNanoseconds
        entries[index].state = .running(worker: worker, sinceNanoseconds: monotonicNanoseconds)
    }

    /// The collector came back.
    /// - Returns: false when its worker had been given up: its values are void and the worker must end.
    public mutating func finish(
        _ index: Int, worker: UInt64, monotonicNanoseconds: UInt64, error: CollectorError?,
        malformedLines: UInt64 = 0
    ) -> Bool {
        entries[index].malformedLines = malformedLines
        switch entries[index].state {
        case .running(worker, let since):
            entries[index].state = .idle
            entries[index].runs &+= 1
            entries[index].nanosecondsTotal &+= monotonicNanoseconds &- since
            settle(index, error, monotonicNanoseconds)
            return true
        case .hung(worker):
            entries[index].state = .idle
            abandonedWorkers -= 1
            backOff(index, monotonicNanoseconds)
            return false
        default:
            preconditionFailure("worker \(worker) finished \(entries[index].name) in \(entries[index].state)")
        }
    }

    /// Marks the collector that has been running for too long as hung.
    /// - Returns: its index; nil when none is, or when no more workers may be given up.
    public mutating func takeHung(monotonicNanoseconds: UInt64) -> Int? {
        guard abandonedWorkers < Self.abandonedWorkersMax else { return nil }
        for index in entries.indices {
            guard case .running(let worker, let since) = entries[index].state, monotonicNanoseconds > since,
                monotonicNanoseconds - since > UInt64(Self.timeoutMilliseconds) * 1_000_000
            else { continue }
            entries[index].state = .hung(worker: worker)
            entries[index].hangs &+= 1
            entries[index].failuresInARow += 1
            abandonedWorkers += 1
            return index
        }
        return nil
    }

    private mutating func settle(_ index: Int, _ error: CollectorError?, _ monotonic: UInt64) {
        entries[index].lastError = error
        entries[index].isUnavailable = false
        switch error {
        case nil:
            entries[index].failuresInARow = 0
        case .unavailable:
            entries[index].isUnavailable = true
            entries[index].notBefore = monotonic &+ UInt64(Self.unavailableRetryMilliseconds) * 1_000_000
        case .unreadable, .malformed:
            entries[index].failures &+= 1
            entries[index].failuresInARow += 1
            backOff(index, monotonic)
        }
    }

    private mutating func backOff(_ index: Int, _ monotonic: UInt64) {
        let doublings = min(entries[index].failuresInARow, 12)
        let delay = min(Self.backoffMillisecondsMax, entries[index].intervalMilliseconds << Int64(doublings))
        entries[index].notBefore = monotonic &+ UInt64(delay) * 1_000_000
    }

    /// The first multiple of `interval` greater than `time`; saturating, also before 1970.
    static func gridPoint(after time: Int64, _ interval: Int64) -> Int64 {
        let remainder = time % interval
        let floor = remainder < 0 ? time - remainder - interval : time - remainder
        return floor > .max - interval ? .max : floor + interval
    }
}
