/// A subscription: levels with `+` for any one level and `#` for all that follow (MQTT 5, section 4.7).
public struct TopicFilter: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private let levels: [Substring]

    /// - Returns: nil for a text that is not a filter.
    public init?(_ text: String) {
        let levels = text.split(separator: "/", omittingEmptySubsequences: false)
        for (index, level) in levels.enumerated() {
            if level.contains("#"), level != "#" || index != levels.count - 1 { return nil }
            if level.contains("+"), level != "+" { return nil }
        }
        guard !text.isEmpty else { return nil }
        description = text
        self.levels = levels
    }

    /// - Complexity: O(levels).
    public func matches(_ topic: String) -> Bool {
        var rest = topic.split(separator: "/", omittingEmptySubsequences: false)[...]
        // Wildcards do not match topics of the broker itself.
        if topic.hasPrefix("$"), levels.first == "+" || levels.first == "#" { return false }
        for level in levels {
            if level == "#" { return true }
            guard let next = rest.popFirst() else { return false }
            if level != "+", level != next { return false }
        }
        return rest.isEmpty
    }
}
