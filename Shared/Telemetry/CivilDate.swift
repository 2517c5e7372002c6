/// A date of the proleptic Gregorian calendar, in UTC. Year 0 is 1 BC.
///
/// Arithmetic after H. Hinnant, "chrono-compatible low-level date algorithms" (`civil_from_days`, `days_from_civil`):
/// years begin on 1 March, and 400 of them are an era of 146,097 days.
public struct CivilDate: Hashable, Sendable {
    public static let millisecondsPerDay: Int64 = 86_400_000

    public let year: Int64
    /// 1 to 12.
    public let month: Int64
    /// 1 to ``days(inMonth:of:)``.
    public let day: Int64

    /// Parts out of range carry over as days do: 31 February is the 2nd or 3rd of March in ``daysSinceEpoch``.
    public init(year: Int64, month: Int64, day: Int64) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// - Parameter days: since 1970-01-01; any number that 64 bits of milliseconds can reach, and more.
    public init(daysSinceEpoch days: Int64) {
        let shifted = days &+ 719_468
        let era = Self.floorDivide(shifted, 146_097)
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let fromMarch = (5 * ofYear + 2) / 153
        month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
        day = ofYear - (153 * fromMarch + 2) / 5 + 1
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Negative before 1970.
    public var daysSinceEpoch: Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = Self.floorDivide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + ofYear - 719_468
    }

    public static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Rounded down, also below zero; `divisor` is positive.
    static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? quotient - 1 : quotient
    }
}

extension Timestamp {
    /// Whole days since 1970-01-01, rounded down.
    public var daysSinceEpoch: Int64 { CivilDate.floorDivide(milliseconds, CivilDate.millisecondsPerDay) }
}
