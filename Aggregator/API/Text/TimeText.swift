package import Telemetry

/// Times as people and programs write them: RFC 3339 and Unix seconds.
package enum TimeText {
    /// `2026-05-01T12:00:00Z`, `2026-05-01T12:00:00.250+02:00`, `1777636800`, `1777636800.25`.
    /// - Returns: nil for anything else, and for times outside the years 0 to 9999.
    package static func parse(_ text: some StringProtocol) -> Timestamp? {
        guard text.utf8.count <= 64 else { return nil }
        if let seconds = Double(text), seconds.isFinite, abs(seconds) < 253_402_300_800 {
            return Timestamp(milliseconds: Int64((seconds * 1000).rounded()))
        }
        return InternetTime.parse(String(text))
    }
}
