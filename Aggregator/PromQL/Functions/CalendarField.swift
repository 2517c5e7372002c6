import Telemetry

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
        let (days, rest) = Self.floorDivide(seconds)
        var date: CivilDate { CivilDate(daysSinceEpoch: days) }
        switch self {
        case .hour: return Double(rest / 3600)
        case .minute: return Double(rest / 60 % 60)
        case .dayOfWeek: return Double(((days + 4) % 7 + 7) % 7)
        case .dayOfMonth: return Double(date.day)
        case .month: return Double(date.month)
        case .year: return Double(date.year)
        case .dayOfYear: return Double(days - CivilDate(year: date.year, month: 1, day: 1).daysSinceEpoch + 1)
        case .daysInMonth:
            let date = date
            return Double(CivilDate.days(inMonth: date.month, of: date.year))
        }
    }

    private static func floorDivide(_ seconds: Int64) -> (days: Int64, rest: Int64) {
        let (days, rest) = seconds.quotientAndRemainder(dividingBy: secondsPerDay)
        return rest < 0 ? (days - 1, rest + secondsPerDay) : (days, rest)
    }
}
