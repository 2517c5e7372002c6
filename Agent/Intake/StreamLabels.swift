import Telemetry

/// The label combinations of streaming series: territory, tier, device, source; bounded.
///
/// `tier` and `source` outside their vocabulary become "other"; what is absent becomes "unknown". `device` is the
/// producer's text, cut to 32 bytes. Combinations beyond ``capacity`` share one, all of whose labels are "other".
struct StreamLabels: Sendable {
    struct Combination: Hashable, Sendable {
        var territory: String
        var tier: String
        var device: String
        var source: String

        var labels: [Label] {
            [
                Label("territory", territory), Label("tier", tier), Label("device", device), Label("source", source),
            ]
        }
    }

    static let deviceBytesMax = 32
    let capacity: Int
    private(set) var combinations: [Combination] = []
    /// Events whose own combination found no room.
    private(set) var overflowTotal = 0
    private var numbers: [Combination: UInt16] = [:]

    init(capacity: Int) {
        precondition(capacity > 0 && capacity < UInt16.max)
        self.capacity = capacity
    }

    mutating func number(of event: ListeningEvent) -> UInt16 {
        let combination = Combination(
            territory: event[.territory] ?? "unknown", tier: Self.known(event, .tier),
            device: Self.device(event[.device]), source: Self.known(event, .source))
        if let number = numbers[combination] { return number }
        if combinations.count < capacity { return add(combination) }
        overflowTotal += 1
        let other = Combination(territory: "other", tier: "other", device: "other", source: "other")
        return numbers[other] ?? add(other)
    }

    private mutating func add(_ combination: Combination) -> UInt16 {
        let number = UInt16(combinations.count)
        combinations.append(combination)
        numbers[combination] = number
        return number
    }

    private static func known(_ event: ListeningEvent, _ text: EventText) -> String {
        guard let value = event[text] else { return "unknown" }
        return EventVocabulary.knows(value, text) ? value : "other"
    }

    private static func device(_ text: String?) -> String {
        guard let text else { return "unknown" }
        return text.utf8.count <= deviceBytesMax ? text : "other"
    }
}
