import Glibc
package import Telemetry

/// Times in the form that HTTP prefers (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
package enum HTTPTime {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// - Returns: empty for a time that the system's calendar does not reach.
    package static func format(unixSeconds: Int) -> String {
        var (second, parts) = (unixSeconds, tm())
        gmtime_r(&second, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let year = String(1900 + parts.tm_year)
        let zeros = String(repeating: "0", count: max(0, 4 - year.count))
        let (day, month) = (Int(parts.tm_wday), Int(parts.tm_mon))
        guard days.indices.contains(day), months.indices.contains(month) else { return "" }
        return "\(days[day]), \(two(parts.tm_mday)) \(months[month]) \(zeros)\(year) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }

    /// In any case; the day of the week is not compared with the date.
    /// - Returns: nil for anything else, the two obsolete forms included.
    package static func parse(_ text: String) -> Timestamp? {
        let words = text.lowercased().split(separator: " ")
        guard words.count == 6, words[5] == "gmt", words[0].hasSuffix(","), words[1].utf8.count == 2,
            let month = months.firstIndex(where: { $0.lowercased() == words[2] }), words[3].utf8.count == 4,
            words[4].utf8.count == 8
        else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return InternetTime.parse("\(words[3])-\(number)-\(words[1])T\(words[4])Z")
    }
}
