package import Telemetry

/// Times as people and programs write them: RFC 3339 and Unix seconds.
package enum TimeText {
    /// `2026-05-01T12:00:00Z`, `2026-05-01T12:00:00.250+02:00`, `1777636800`, `1777636800.25`.
    /// - Returns: nil for anything else, and for times outside the years 0 to 9999.
    package static func parse(_ text: some StringProtocol) -> Timestamp? {
        guard text.utf8.count <= 64 else { return nil }
        if let seconds = Double(text), seconds.isFinite, abs(seconds) < 253_402_300_800 {
            return Timestamp(milliseconds: Int64((seconds * 1000).rounded()))
        }
        return calendar(Array(text.utf8))
    }

    /// In UTC with milliseconds, `2026-05-01T12:00:00.000Z`.
    package static func format(_ time: Timestamp) -> String {
        let days = floorDivide(time.milliseconds, 86_400_000)
        let rest = time.milliseconds - days * 86_400_000
        let (year, month, day) = civil(days)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let fraction = String(rest % 1000 + 1000).dropFirst()
        let years = (0...9999).contains(year) ? String(String(year + 10_000).dropFirst()) : String(year)
        return "\(years)-\(two(month))-\(two(day))T\(two(rest / 3_600_000)):\(two(rest / 60_000 % 60))"
            + ":\(two(rest / 1000 % 60)).\(fraction)Z"
    }

    /// Date, `T`, `t` or a blank, time, optional fraction, `Z` or an offset.
    private static func calendar(_ bytes: [UInt8]) -> Timestamp? {
        func number(_ range: Range<Int>) -> Int64? {
            guard range.upperBound <= bytes.count else { return nil }
            return bytes[range].reduce(Int64?(0)) { value, byte in
                (48...57).contains(byte) ? value.map { $0 * 10 + Int64(byte - 48) } : nil
            }
        }
        func holds(_ index: Int, _ characters: String) -> Bool {
            index < bytes.count && characters.utf8.contains(bytes[index])
        }
        guard let year = number(0..<4), holds(4, "-"), let month = number(5..<7), holds(7, "-"),
            let day = number(8..<10), holds(10, "Tt "), let hour = number(11..<13), holds(13, ":"),
            let minute = number(14..<16), holds(16, ":"), let second = number(17..<19),
            (1...12).contains(month), day >= 1, day <= length(of: month, year), hour < 24, minute < 60, second < 61
        else { return nil }
        var place = 19
        var fraction: Int64 = 0
        if holds(place, ".") {
            place += 1
            let start = place
            var scale: Int64 = 100
            while place < bytes.count, (48...57).contains(bytes[place]) {
                fraction += scale * Int64(bytes[place] - 48)
                scale /= 10
                place += 1
            }
            guard place > start else { return nil }
        }
        var offset: Int64 = 0
        if holds(place, "Zz") {
            place += 1
        } else {
            guard holds(place, "+-"), let hours = number(place + 1..<place + 3), holds(place + 3, ":"),
                let minutes = number(place + 4..<place + 6), hours < 24, minutes < 60
            else { return nil }
            offset = (bytes[place] == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
            place += 6
        }
        guard place == bytes.count else { return nil }
        let seconds = daysFromCivil(year, month, day) * 86_400 + hour * 3600 + (minute - offset) * 60 + second
        return Timestamp(milliseconds: seconds * 1000 + fraction)
    }

    private static func length(of month: Int64, _ year: Int64) -> Int64 {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in eras of 400 years from March.
    private static func daysFromCivil(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = floorDivide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let part = (5 * dayOfYear + 2) / 153
        let month = part < 10 ? part + 3 : part - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * part + 2) / 5 + 1)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
