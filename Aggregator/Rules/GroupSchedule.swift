/// When a group is due: once in each interval, at an offset of its own, so that groups do not all run at once.
package struct GroupSchedule: Sendable {
    /// Milliseconds.
    package let interval: Int64
    /// Milliseconds of Unix time.
    package private(set) var next: Int64
    /// Slots that passed without an evaluation because the one before took too long, or the machine slept.
    package private(set) var missedCount = 0
    private let offset: Int64

    /// - Parameter key: decides on the offset; the same after a restart.
    package init(key: String, interval: Int64, now: Int64) {
        precondition(interval > 0, "interval \(interval)")
        self.interval = interval
        // FNV-1a.
        let hash = key.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        offset = Int64(hash % UInt64(interval))
        next = 0
        next = slot(notBefore: now)
    }

    private func slot(notBefore time: Int64) -> Int64 {
        let distance = time - offset
        let remainder = ((distance % interval) + interval) % interval
        return remainder == 0 ? time : time + interval - remainder
    }

    /// - Returns: the slot to evaluate at, nil while none is due. Slots that were passed over count as missed.
    package mutating func take(now: Int64) -> Int64? {
        if next - now > interval { next = slot(notBefore: now) }  // the clock was set back
        guard now >= next else { return nil }
        let missed = (now - next) / interval
        missedCount += Int(missed)
        let due = next + missed * interval
        next = due + interval
        return due
    }
}
