import Telemetry

/// Days since 1970-01-01 in UTC, and their names.
enum CivilDay {
    static func day(of milliseconds: Int64) -> Int64 { Timestamp(milliseconds: milliseconds).daysSinceEpoch }

    /// `YYYYMMDD`; years beyond four digits keep all of theirs, earlier ones have a minus.
    static func name(_ day: Int64) -> String {
        let date = CivilDate(daysSinceEpoch: day)
        return (date.year < 0 ? "-" : "") + padded(abs(date.year), 4) + padded(date.month, 2) + padded(date.day, 2)
    }

    /// The day of such a name, nil for anything else.
    static func day(named text: Substring) -> Int64? {
        let isNegative = text.hasPrefix("-")
        let digits = isNegative ? text.dropFirst() : text
        guard (8...15).contains(digits.count), digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let month = Int64(digits.suffix(4).prefix(2)), let dayOfMonth = Int64(digits.suffix(2)),
            let year = Int64(digits.dropLast(4)), (1...12).contains(month), (1...31).contains(dayOfMonth)
        else { return nil }
        let day = CivilDate(year: isNegative ? -year : year, month: month, day: dayOfMonth).daysSinceEpoch
        return name(day) == text ? day : nil
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
