import Telemetry

/// Keeps or drops targets or samples by their labels, as Prometheus' `relabel_config` does with these actions:
/// the values of the source labels, joined by `;`, are matched by an anchored regular expression (RE2's syntax).
///
/// Written `keep LABEL[,LABEL…] REGEX` or `drop LABEL[,LABEL…] REGEX`.
public struct RelabelRule: Sendable, Equatable {
    public enum Action: String, Sendable { case keep, drop }
    public static let rulesMax = 64
    private static let separator = ";"

    public let action: Action
    public let sourceLabels: [String]
    public let text: String
    private let pattern: AnchoredPattern

    public struct Refusal: Error, Equatable, Sendable { public let reason: String }

    public init(_ text: String) throws(Refusal) {
        let parts = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
        guard parts.count == 3, let action = Action(rawValue: String(parts[0])) else {
            throw Refusal(reason: "is not of the form \"keep LABEL,… REGEX\" or \"drop LABEL,… REGEX\"")
        }
        self.text = text
        self.action = action
        sourceLabels = parts[1].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard sourceLabels.allSatisfy({ !$0.isEmpty }) else { throw Refusal(reason: "names an empty label") }
        var expression = parts[2]
        while expression.last == " " { expression.removeLast() }
        do throws(PatternError) {
            pattern = try AnchoredPattern(String(expression))
        } catch {
            throw Refusal(reason: "\(error)")
        }
    }

    /// - Parameter value: of a label; empty where there is none.
    public func keeps(_ value: (String) -> String) -> Bool {
        let joined = sourceLabels.map(value).joined(separator: Self.separator)
        return pattern.matches(joined) == (action == .keep)
    }

    public static func == (left: RelabelRule, right: RelabelRule) -> Bool { left.text == right.text }
}

extension [RelabelRule] {
    /// Whether all rules keep a set of labels.
    public func keep(_ value: (String) -> String) -> Bool { allSatisfy { $0.keeps(value) } }
}
