import Intake
import Telemetry

/// What the tests of the event parser share.
enum EventSamples {
    static let now = Timestamp(seconds: 1_767_225_600)
    /// Not a real pseudonym: the length and first byte of the clear id.
    static let parser = EventParser(pseudonymVersion: 3) { clear in
        UserPseudonym(high: UInt64(clear.count), low: UInt64(clear.first ?? 0))
    }
    static func parse(_ body: String, isStrict: Bool = false) -> EventParseResult {
        parse(Array(body.utf8), isStrict: isStrict)
    }
    static func parse(_ body: [UInt8], isStrict: Bool = false) -> EventParseResult {
        body.withUnsafeBytes { parser.parse($0, now: now, isStrict: isStrict) }
    }
}
