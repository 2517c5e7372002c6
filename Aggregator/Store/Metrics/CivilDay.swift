import Telemetry

/// Days since 1970-01-01 and their names. Proleptic Gregorian, UTC.
/// Arithmetic after H. Hinnant, "chrono-compatible low-level date algorithms" (civil_from_days).
enum CivilDay {
    static func day(of milliseconds: Int64) -> Int64 {
        let (quotient, rest) = milliseconds.quotientAndRemainder(dividingBy: StoreLimits.dayMilliseconds)
        return rest < 0 ? quotient - 1 : quotient
    }

    /// `YYYYMMDD`; years beyond four digits keep all of theirs, earlier ones have a minus.
    static func name(_ day: Int64) -> String {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year < 0 ? "-" : "") + padded(abs(year), 4) + padded(month, 2) + padded(dayOfMonth, 2)
    }

    /// The day of such a name, nil for anything else.
    static func day(named text: Substring) -> Int64? {
        let isNegative = text.hasPrefix("-")
        let digits = isNegative ? text.dropFirst() : text
        guard digits.count >= 8, digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let month = Int64(digits.suffix(4).prefix(2)), let dayOfMonth = Int64(digits.suffix(2)),
            var year = Int64(digits.dropLast(4)), (1...12).contains(month), (1...31).contains(dayOfMonth)
        else { return nil }
        if isNegative { year = -year }
        if month <= 2 { year -= 1 }
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + dayOfMonth - 1
        let day = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return name(day) == text ? day : nil
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
