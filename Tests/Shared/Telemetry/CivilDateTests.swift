import Glibc
import Telemetry
import Testing

@Suite("Civil date") struct CivilDateTests {
    @Test("dates are those of gmtime(3)", arguments: [-800_000, -719_529, -135_081, 0, 10_957, 20_000, 2_932_896])
    func gmtime(first: Int64) {
        for days in stride(from: first, through: first + 1500, by: 7) {
            var seconds = time_t(days * 86_400)
            var parts = tm()
            gmtime_r(&seconds, &parts)
            let date = CivilDate(daysSinceEpoch: days)
            #expect(date.year == Int64(parts.tm_year) + 1900 && date.month == Int64(parts.tm_mon) + 1)
            #expect(date.day == Int64(parts.tm_mday) && date.daysSinceEpoch == days)
        }
    }

    @Test("months have the days of their year", arguments: [1900, 2000, 2023, 2024] as [Int64])
    func months(year: Int64) {
        for month in Int64(1)...12 {
            let next = month == 12 ? (year + 1, Int64(1)) : (year, month + 1)
            let length =
                CivilDate(year: next.0, month: next.1, day: 1).daysSinceEpoch
                - CivilDate(year: year, month: month, day: 1).daysSinceEpoch
            #expect(CivilDate.days(inMonth: month, of: year) == length)
        }
    }

    @Test("no time of 64 bits traps", arguments: [Int64.min, .min + 1, -1, 0, 1, .max])
    func extremes(milliseconds: Int64) {
        let days = Timestamp(milliseconds: milliseconds).daysSinceEpoch
        #expect(CivilDate(daysSinceEpoch: days).daysSinceEpoch == days)
    }
}
