/// Which lines of a log that people read are written: a fault that lasts must not fill the journal.
///
/// Of each kind (a collector, a source, the uplink …) the same text comes once in ``windowSeconds``, and at most
/// ``linesPerWindow`` texts; the next line after that says how many were left out. Bound: ``kindsMax`` kinds; all others
/// share one.
package struct LogThrottle: Sendable {
    package static let windowSeconds = 60
    package static let linesPerWindow = 10
    package static let kindsMax = 256

    private struct Kind: Sendable {
        var startedAt: Int
        /// Hashes of what was written in this window.
        var written: [Int] = []
        var suppressed = 0
    }
    private var kinds: [String: Kind] = [:]

    package init() {}

    /// - Parameter now: seconds, of a clock that may step.
    /// - Returns: what to write; nil: nothing.
    package mutating func admit(_ kind: String, _ text: String, now: Int) -> String? {
        let key = kinds[kind] != nil || kinds.count < Self.kindsMax ? kind : ""
        var state = kinds[key] ?? Kind(startedAt: now)
        defer { kinds[key] = state }
        var note = ""
        if now < state.startedAt || now - state.startedAt >= Self.windowSeconds {
            if state.suppressed > 0 { note = " (\(state.suppressed) more were left out)" }
            state = Kind(startedAt: now)
        }
        let hash = text.hashValue
        guard state.written.count < Self.linesPerWindow, !state.written.contains(hash) else {
            state.suppressed += 1
            return nil
        }
        state.written.append(hash)
        return text + note
    }
}
