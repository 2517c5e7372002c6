import Telemetry
import Testing

@Suite("Internet time") struct InternetTimeTests {
    @Test(
        "RFC 3339 times become milliseconds",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-01-01T00:00:00Z", 1_767_225_600_000), ("1969-12-31T23:59:59.999Z", -1),
            ("2024-02-29T12:00:00+05:30", 1_709_188_200_000), ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("2026-01-01t00:00:00.123456789z", 1_767_225_600_123), ("2026-01-01 00:00:00-00:00", 1_767_225_600_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000), ("9999-12-31T23:59:59Z", 253_402_300_799_000),
            ("2023-02-29T00:00:00Z", nil), ("2026-13-01T00:00:00Z", nil), ("2026-01-01T24:00:00Z", nil),
            ("2026-01-01T00:00:00", nil), ("2026-01-01", nil), ("2026-01-01T00:00:00.Z", nil), ("", nil),
            ("2026-01-01T00:00:00+0100", nil), ("2026-01-01T00:00:00Zx", nil), ("2026-01-01T00:00:00+24:00", nil),
            ("2026-01-01T00:00:00.", nil), ("20260-01-01T00:00:00Z", nil),
        ] as [(String, Int64?)])
    func times(text: String, expected: Int64?) { #expect(InternetTime.parse(text)?.milliseconds == expected) }

    @Test(
        "times are written as RFC 3339 has them, what it cannot say as the first or last it can",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (Int64.max, "9999-12-31T23:59:59.999Z"), (Int64.min, "0000-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func format(milliseconds: Int64, text: String) {
        #expect(InternetTime.format(Timestamp(milliseconds: milliseconds)) == text)
    }
}
