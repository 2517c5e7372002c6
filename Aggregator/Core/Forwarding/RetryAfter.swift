import API
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
        guard let date = date(text) else { return nil }
        return min(max(0, date.milliseconds &- now.milliseconds), secondsMax * 1000)
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, in any case.
    private static func date(_ text: String) -> Timestamp? {
        let words = text.lowercased().split(separator: " ")
        guard words.count == 6, words[5] == "gmt", words[0].hasSuffix(","), words[1].utf8.count == 2,
            let month = months.firstIndex(of: String(words[2])), words[3].utf8.count == 4
        else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return TimeText.parse("\(words[3])-\(number)-\(words[1])T\(words[4])Z")
    }
}
