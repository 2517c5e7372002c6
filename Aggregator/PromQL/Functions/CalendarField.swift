/// Parts of the UTC date that a number of seconds since 1970 stands for (proleptic Gregorian calendar).
enum CalendarField: String, Sendable {
    case dayOfMonth = "day_of_month"
    case dayOfWeek = "day_of_week"
    case dayOfYear = "day_of_year"
    case daysInMonth = "days_in_month"
    case hour, minute, month, year

    private static let secondsPerDay: Int64 = 86_400

    func value(at seconds: Double) -> Double {
        // What no 64-bit number of seconds can say is taken for the last of them, as Prometheus has it.
        let isInRange = seconds > -0x1p63 && seconds < 0x1p63
        return value(at: isInRange ? Int64(seconds) : Int64.max)
    }

    func value(at seconds: Int64) -> Double {
        var days = seconds / Self.secondsPerDay
        var rest = seconds % Self.secondsPerDay
        if rest < 0 {
            rest += Self.secondsPerDay
            days -= 1
        }
        switch self {
        case .hour: return Double(rest / 3600)
        case .minute: return Double(rest / 60 % 60)
        case .dayOfWeek: return Double(((days + 4) % 7 + 7) % 7)
        case .dayOfMonth: return Double(Self.civil(days).day)
        case .month: return Double(Self.civil(days).month)
        case .year: return Double(Self.civil(days).year)
        case .dayOfYear:
            let date = Self.civil(days)
            return Double(days - Self.days(year: date.year, month: 1) + 1)
        case .daysInMonth:
            let date = Self.civil(days)
            let next = date.month == 12 ? (date.year + 1, Int64(1)) : (date.year, date.month + 1)
            return Double(
                Self.days(year: next.0, month: next.1) - Self.days(year: date.year, month: date.month))
        }
    }

    /// Howard Hinnant's `civil_from_days`: years begin in March, eras are 400 years.
    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// Days from 1970-01-01 to the first of a month.
    private static func days(year: Int64, month: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
