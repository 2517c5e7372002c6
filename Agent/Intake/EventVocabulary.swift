import Telemetry

/// The documented values of the text fields that analysis counts by. Others are kept and counted as unknown.
enum EventVocabulary {
    static let sources = [
        "search", "library", "playlist", "editorial", "algorithmic", "radio", "autoplay", "share_link",
    ]
    static let tiers = ["premium", "ad", "trial", "family"]
    static let endReasons = ["done", "skip_fwd", "skip_back", "stop", "error", "remote"]

    static func knows(_ value: String, _ text: EventText) -> Bool { values(text).contains(value) }

    static func values(_ text: EventText) -> [String] {
        switch text {
        case .source: sources
        case .tier: tiers
        case .endReason: endReasons
        default: []
        }
    }

    static func listing(_ text: EventText) -> String { values(text).joined(separator: ", ") }
}

/// The accepted ranges of the whole-number fields, both ends included.
enum EventBounds {
    /// Longer than any track, and than any continuous play that a producer should report as one.
    static let durationMillisecondsMax: Int64 = 7 * 86_400_000

    static func range(of number: EventNumber) -> ClosedRange<Int64> {
        switch number {
        case .millisecondsPlayed, .trackMilliseconds: 0...durationMillisecondsMax
        case .shuffle, .offline, .muted: 0...1
        case .amountMicros: Int64.min...Int64.max
        case .startupMilliseconds: -1...3_600_000
        case .frameTimeMicros: 0...60_000_000
        case .droppedPermille: 0...1000
        }
    }
}
