/// What is said of a metric family, beside its samples. Empty texts mean that nothing was said.
public struct MetricMetadata: Hashable, Sendable {
    public static let nameBytesMax = SeriesLimits.labelValueBytesMax
    /// A longer unit is left out, a longer help text is cut.
    public static let unitBytesMax = 64
    public static let helpBytesMax = 1024

    /// Of the family, as its source calls it.
    public var name: String
    public var type: MetricType
    public var unit: String
    public var help: String

    /// - Returns: nil when the name is empty or too long.
    public init?(name: String, type: MetricType, unit: String, help: String) {
        guard !name.isEmpty, name.utf8.count <= Self.nameBytesMax else { return nil }
        self.name = name
        self.type = type
        self.unit = unit.utf8.count <= Self.unitBytesMax ? unit : ""
        self.help = Self.cut(help)
    }

    /// Whether it says more than a series table does.
    public var hasTexts: Bool { !unit.isEmpty || !help.isEmpty }

    /// To whole characters.
    private static func cut(_ text: String) -> String {
        guard text.utf8.count > helpBytesMax else { return text }
        var bytes = 0
        return String(
            text.prefix { character in
                bytes += character.utf8.count
                return bytes <= helpBytesMax
            })
    }

    /// Suffixes that the series of a family have beside its name.
    private static func suffixes(of type: MetricType) -> [String] {
        switch type {
        case .histogram: ["_bucket", "_sum", "_count", "_created"]
        case .summary: ["_sum", "_count", "_created"]
        case .counter: ["_total", "_created"]
        case .info: ["_info"]
        case .unknown, .gauge, .stateset: []
        }
    }

    /// Whether a metric of this name is of the family.
    public func covers(_ metric: String) -> Bool {
        guard metric != name else { return true }
        guard metric.hasPrefix(name) else { return false }
        return Self.suffixes(of: type).contains(String(metric.dropFirst(name.count)))
    }
}
