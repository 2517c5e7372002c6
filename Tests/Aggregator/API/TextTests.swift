import API
import RuntimeSupport
import Telemetry
import Testing

@Suite("Texts") struct TextTests {
    @Test(
        "times that are accepted",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1777636800", 1_777_636_800_000), ("1777636800.25", 1_777_636_800_250),
            ("2026-05-01T12:00:00Z", 1_777_636_800_000), ("2026-05-01T14:00:00.250+02:00", 1_777_636_800_250),
            ("2026-05-01t12:00:00z", 1_777_636_800_000), ("2024-02-29 00:00:00Z", 1_709_164_800_000),
            ("1969-12-31T23:59:59.999Z", -1), ("-1", -1000), ("2026-05-01T12:00:00.123456789Z", 1_777_636_800_123),
        ])
    func accepted(_ text: String, _ milliseconds: Int64) {
        #expect(TimeText.parse(text) == Timestamp(milliseconds: milliseconds))
    }

    @Test(
        "times that are refused",
        arguments: [
            "", "now", "2026-05-01", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-05-01T24:00:00Z",
            "2026-05-01T12:00:00", "2026-05-01T12:00:00.Z", "2026-05-01T12:00:00+0200", "nan", "inf", "1e300",
            "2026-05-01T12:00:00Zx", "２０26-05-01T12:00:00Z",
        ])
    func refused(_ text: String) { #expect(TimeText.parse(text) == nil) }

    @Test("a formatted time reads back")
    func roundTrip() {
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<2000 {
            let time = Timestamp(
                milliseconds: .random(in: -62_135_596_800_000...253_402_300_799_999, using: &generator))
            #expect(TimeText.parse(InternetTime.format(time)) == time)
        }
    }

    @Test("JSON numbers and texts")
    func json() {
        let value = JSON.array([
            .number(0.1), .number(-0.0), .number(1e21), .number(3), .number(.nan), .number(-.infinity), .integer(.min),
            .string("a\"\\\n\u{1}é"), .null, .bool(true), .object([("k", .integer(-7))]),
        ])
        #expect(
            String(decoding: value.encoded, as: UTF8.self)
                == #"[0.1,-0.0,1e+21,3,"NaN","-Inf",-9223372036854775808,"a\"\\\n\u0001é",null,true,{"k":-7}]"#)
    }

    @Test("OpenMetrics names each family once and ends with EOF")
    func openMetrics() {
        let metrics = OwnMetrics()
        metrics.add("stagebox_a_things_total", 2, "why", "x\"y\\z\n")
        metrics.add("stagebox_a_things_total", 1, "why", "b")
        metrics.set("stagebox_b_bytes", 1.5)
        #expect(
            OpenMetrics.text(metrics.readings()) == """
                # TYPE stagebox_a_things counter
                stagebox_a_things_total{why="b"} 1
                stagebox_a_things_total{why="x\\"y\\\\z\\n"} 2
                # TYPE stagebox_b_bytes gauge
                stagebox_b_bytes 1.5
                # EOF

                """)
    }

    @Test("a bucket refills, and unknown addresses cannot fill the table")
    func rateLimit() {
        let time = ManualTimeSource()
        let limiter = RateLimiter(perSecond: 1, burst: 2, allFactor: 10, keysMax: 3, now: time.now)
        #expect(limiter.allows("a", now: time.now) && limiter.allows("a", now: time.now))
        #expect(!limiter.allows("a", now: time.now))
        time.advance(milliseconds: 1000)
        #expect(limiter.allows("a", now: time.now) && !limiter.allows("a", now: time.now))
        var allowed = 0
        for address in 0..<100 where limiter.allows("x\(address)", now: time.now) { allowed += 1 }
        #expect(allowed == 19, "the common bucket bounds what many addresses get together: 20, refilled, less one of a")
    }
}
