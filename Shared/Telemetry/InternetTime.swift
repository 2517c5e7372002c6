/// RFC 3339 date-times: `2026-01-31T08:15:30.25+01:00`, to the millisecond (finer digits are cut off).
///
/// A space or a small `t` may stand for the `T`, as the RFC's notes allow. A leap second (`:60`) counts as the first
/// instant of the next minute, as POSIX time does. Years 0000 to 9999.
public enum InternetTime {
    /// In UTC with milliseconds, `2026-05-01T12:00:00.000Z`. Times outside the years 0 to 9999, which the format cannot
    /// say, become the first or the last it can.
    public static func format(_ time: Timestamp) -> String {
        let milliseconds = max(-62_167_219_200_000, min(253_402_300_799_999, time.milliseconds))
        let days = Timestamp(milliseconds: milliseconds).daysSinceEpoch
        let rest = milliseconds - days * CivilDate.millisecondsPerDay
        let date = CivilDate(daysSinceEpoch: days)
        let day = "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
        let hour = "\(padded(rest / 3_600_000, 2)):\(padded(rest / 60_000 % 60, 2))"
        return "\(day)T\(hour):\(padded(rest / 1000 % 60, 2)).\(padded(rest % 1000, 3))Z"
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    public static func parse(_ text: String) -> Timestamp? {
        var text = text
        return text.withUTF8 { parse(UnsafeRawBufferPointer($0)) }
    }

    /// - Complexity: O(length); no allocation.
    public static func parse(_ bytes: UnsafeRawBufferPointer) -> Timestamp? {
        guard bytes.count >= 20, let year = number(bytes, 0, 4), bytes[4] == UInt8(ascii: "-"),
            let month = number(bytes, 5, 2), bytes[7] == UInt8(ascii: "-"), let day = number(bytes, 8, 2),
            bytes[10] | 0x20 == UInt8(ascii: "t") || bytes[10] == UInt8(ascii: " "),
            let hour = number(bytes, 11, 2), bytes[13] == UInt8(ascii: ":"),
            let minute = number(bytes, 14, 2), bytes[16] == UInt8(ascii: ":"), let second = number(bytes, 17, 2),
            (1...12).contains(month), day >= 1, day <= CivilDate.days(inMonth: month, of: year), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var index = 19
        var milliseconds: Int64 = 0
        if bytes[index] == UInt8(ascii: ".") {
            var scale: Int64 = 100
            index += 1
            let start = index
            while index < bytes.count, let digit = number(bytes, index, 1) {
                milliseconds += digit * scale
                scale /= 10
                index += 1
            }
            guard index > start else { return nil }
        }
        guard let offsetMinutes = zone(bytes, index) else { return nil }
        let days = CivilDate(year: year, month: month, day: day).daysSinceEpoch
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offsetMinutes * 60
        return Timestamp(milliseconds: seconds * 1000 + milliseconds)
    }

    private static func zone(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Int64? {
        guard index < bytes.count else { return nil }
        if bytes[index] | 0x20 == UInt8(ascii: "z") { return index + 1 == bytes.count ? 0 : nil }
        let sign: Int64
        switch bytes[index] {
        case UInt8(ascii: "+"): sign = 1
        case UInt8(ascii: "-"): sign = -1
        default: return nil
        }
        guard index + 6 == bytes.count, let hours = number(bytes, index + 1, 2), bytes[index + 3] == UInt8(ascii: ":"),
            let minutes = number(bytes, index + 4, 2), hours < 24, minutes < 60
        else { return nil }
        return sign * (hours * 60 + minutes)
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for index in start..<start + count {
            let digit = bytes[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        return value
    }
}
