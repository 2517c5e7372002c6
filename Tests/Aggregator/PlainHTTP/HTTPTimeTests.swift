import PlainHTTP
import Telemetry
import Testing

@Suite("Times of HTTP") struct HTTPTimeTests {
    @Test(
        "what is written reads back",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_709_164_799, "Wed, 28 Feb 2024 23:59:59 GMT"), (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
        ])
    func both(second: Int, text: String) {
        #expect(HTTPTime.format(unixSeconds: second) == text)
        #expect(HTTPTime.parse(text) == Timestamp(seconds: Int64(second)))
        #expect(HTTPTime.parse(text.uppercased()) == Timestamp(seconds: Int64(second)))
    }

    @Test(
        "other forms are none",
        arguments: [
            "", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37  GMT x",
        ])
    func others(text: String) { #expect(HTTPTime.parse(text) == nil) }
}
