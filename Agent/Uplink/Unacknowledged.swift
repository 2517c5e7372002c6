import RuntimeSupport
import Telemetry
import WireFormat

/// Rows that were sent on this connection and are not settled yet.
struct Unacknowledged {
    struct Entry {
        let batch: PendingBatch
        let route: BatchRoute
        var ticket: UInt64
        var sentAt: Int64
        var resendAt: Int64
        var sends = 1
        /// False once acknowledgements went on without it: then it got lost or is poison, and holding credit
        /// for it would let one bad batch slow the lane.
        var holdsCredit = true
    }
    private(set) var entries: [BatchKey: Entry] = [:]

    struct Bytes {
        var alert = 0
        var live = 0
        /// Of `live`, those on the backfill route.
        var aged = 0
    }
    /// Bytes that hold credit.
    var bytes: Bytes {
        var bytes = Bytes()
        for entry in entries.values where entry.holdsCredit {
            if entry.batch.key.lane == .alert {
                bytes.alert += entry.batch.sizeBytes
            } else {
                bytes.live += entry.batch.sizeBytes
                if entry.route == .backfill { bytes.aged += entry.batch.sizeBytes }
            }
        }
        return bytes
    }

    func count(_ lane: Lane) -> Int { entries.keys.count { $0.lane == lane } }
    func contains(_ key: BatchKey) -> Bool { entries[key] != nil }
    func rows(_ lane: Lane) -> [Int64] {
        entries.values.filter { $0.batch.key.lane == lane }.map(\.batch.row).sorted()
    }
    func nextResend(alertOnly: Bool) -> Int64? {
        entries.values.lazy.filter { !alertOnly || $0.batch.key.lane == .alert }.map(\.resendAt).min()
    }

    mutating func insert(
        _ batch: PendingBatch, _ route: BatchRoute, ticket: UInt64, now: Int64,
        using generator: inout some RandomNumberGenerator
    ) {
        let resendAt = now + Self.delay(sends: 1, using: &generator)
        entries[batch.key] = Entry(batch: batch, route: route, ticket: ticket, sentAt: now, resendAt: resendAt)
    }

    mutating func remove(_ key: BatchKey) { entries[key] = nil }

    /// - Returns: how many rows the settled ranges took away.
    mutating func settle(_ settled: Acknowledgement.Settled) -> Int {
        let keys = entries.keys.filter { key in
            key.laneKey == settled.laneKey
                && (key.sequence <= settled.contiguous || settled.ranges.contains { $0.contains(key.sequence) })
        }
        keys.forEach { entries[$0] = nil }
        return keys.count
    }

    /// An acknowledgement went on without what was sent long before it.
    mutating func passOver(now: Int64) {
        for (key, entry) in entries where now - entry.sentAt >= UplinkLimits.passedOverMilliseconds {
            entries[key]?.holdsCredit = false
        }
    }

    /// Sends it again after a back-off that grows with each sending.
    mutating func postpone(_ key: BatchKey, _ now: Int64, using generator: inout some RandomNumberGenerator) {
        guard let entry = entries[key] else { return }
        entries[key]?.resendAt = now + Self.delay(sends: entry.sends, using: &generator)
    }

    /// What is due, oldest deadline first.
    func due(_ now: Int64) -> [Entry] {
        entries.values.filter { $0.resendAt <= now }
            .sorted { ($0.resendAt, $0.batch.key) < ($1.resendAt, $1.batch.key) }
    }

    mutating func resent(
        _ key: BatchKey, ticket: UInt64, now: Int64, using generator: inout some RandomNumberGenerator
    ) {
        guard var entry = entries[key] else { return }
        entry.sends += 1
        entry.ticket = ticket
        entry.sentAt = now
        entry.holdsCredit = true
        entry.resendAt = now + Self.delay(sends: entry.sends, using: &generator)
        entries[key] = entry
    }

    /// Half fixed, half random: at least 5 s, at most 300 s.
    private static func delay(sends: Int, using generator: inout some RandomNumberGenerator) -> Int64 {
        let ceiling = min(UplinkLimits.resendCapMilliseconds, UplinkLimits.resendBaseMilliseconds << min(sends - 1, 10))
        return ceiling / 2 + Int64.random(in: 0...ceiling / 2, using: &generator)
    }
}
