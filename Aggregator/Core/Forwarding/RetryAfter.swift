import PlainHTTP
package import Telemetry

/// What a receiver's Retry-After asks for (RFC 9110, section 10.2.3): seconds, or a date in the form that HTTP prefers.
package enum RetryAfter {
    /// Longer waits are cut to this: a receiver that is back earlier is not found out any later.
    static let secondsMax: Int64 = 600

    /// - Returns: milliseconds from `now` on, 0 to ten minutes; nil for what is neither.
    package static func milliseconds(_ text: String, now: Timestamp) -> Int64? {
        if let seconds = UInt64(text), text.utf8.allSatisfy({ (48...57).contains($0) }) {
            return Int64(min(seconds, UInt64(secondsMax))) * 1000
        }
        guard let date = HTTPTime.parse(text) else { return nil }
        return min(max(0, date.milliseconds &- now.milliseconds), secondsMax * 1000)
    }
}
