import Telemetry

/// A message that is not a sequenced row.
enum ControlMessage: Hashable {
    case state
    case birth
    case auxiliary(Auxiliary)
    case result(UInt64)
}

/// Control messages that wait for a slot, first in, first out, none twice, bounded.
struct ControlQueue {
    private var waiting: [ControlMessage] = []
    private var auxiliariesSentAt: [Auxiliary: Int64] = [:]
    /// When the next birth is due.
    var birthAt: Int64?
    /// What the next birth answers; zero: nothing.
    var challenge = ID128.zero

    var next: ControlMessage? { waiting.first }

    /// - Returns: false when the queue is full and the message was left out.
    mutating func append(_ message: ControlMessage) -> Bool {
        guard !waiting.contains(message) else { return true }
        guard waiting.count < UplinkLimits.controlQueueMax else { return false }
        waiting.append(message)
        return true
    }

    mutating func removeFirst() { waiting.removeFirst() }

    /// Each connection starts with the state and a birth, before anything else.
    mutating func connected() {
        waiting.removeAll { $0 == .state || $0 == .birth }
        waiting.insert(contentsOf: [.state, .birth], at: 0)
        auxiliariesSentAt.removeAll()
        birthAt = nil
    }

    /// Messages whose fate is unknown go first again; states and births are made anew.
    /// - Returns: how many found no room.
    mutating func requeue(_ messages: [ControlMessage]) -> Int {
        let again = messages.filter { $0 != .state && $0 != .birth && !waiting.contains($0) }
        let room = max(0, UplinkLimits.controlQueueMax - waiting.count)
        waiting.insert(contentsOf: again.prefix(room), at: 0)
        for case .auxiliary(let auxiliary) in again { auxiliariesSentAt[auxiliary] = nil }
        return max(0, again.count - room)
    }

    /// - Returns: false if the same content went out a moment ago.
    mutating func maySend(_ auxiliary: Auxiliary, now: Int64) -> Bool {
        if let sentAt = auxiliariesSentAt[auxiliary], now - sentAt < UplinkLimits.auxiliaryRepeatMilliseconds {
            return false
        }
        if auxiliariesSentAt.count >= UplinkLimits.controlQueueMax { auxiliariesSentAt.removeAll() }
        auxiliariesSentAt[auxiliary] = now
        return true
    }

    mutating func scheduleBirth(at time: Int64) { birthAt = min(birthAt ?? time, time) }
}
