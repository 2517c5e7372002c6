package import Telemetry

/// One rule that a node judges by itself, with or without a connection. Its text, in the terms of PromQL:
///
///     EXPRESSION COMPARISON NUMBER [for DURATION] [until COMPARISON NUMBER] [severity info|warning|critical]
///
/// EXPRESSION is a selector such as `node_load1` or `node_filesystem_avail_bytes{mountpoint=~"/|/var"}`, its increase per
/// second `rate(SELECTOR[60s])`, `sum(…)` of either, the ratio `… / …` of two of these, or `absent(SELECTOR)`, which takes
/// no comparison. The clauses at the end stand in any order.
///
/// * *for*: how long the comparison must hold without a break, 0 when left out.
/// * *until*: what ends it; without, it ends when the comparison does not hold any more.
///
///     node_filesystem_avail_bytes{mountpoint="/"} / node_filesystem_size_bytes{mountpoint="/"} < 0.1
///       for 60s until > 0.15 severity critical
package struct LocalRule: Sendable, Equatable {
    /// Of a node.
    package static let rulesMax = 32
    package static let textBytesMax = 2048
    package static let holdMillisecondsMax: Int64 = 86_400_000

    /// a-z, 0-9, `-` and `_`.
    package let name: String
    package let text: String
    package let expression: RuleExpression
    /// nil for `absent(…)`.
    package let condition: RuleCondition?
    package let holdMilliseconds: Int64
    package let release: RuleCondition?
    package let severity: Finding.Severity

    /// - Throws: ``RuleError`` with the position.
    package init(name: String, _ text: String) throws(RuleError) {
        var parser = RuleParser(text)
        let parsed = try parser.parse()
        self.name = name
        self.text = text
        expression = parsed.expression
        condition = parsed.condition
        holdMilliseconds = parsed.holdMilliseconds
        release = parsed.release
        severity = parsed.severity
    }

    /// What a value is compared with; 1 for `absent(…)`.
    package var threshold: Double { condition?.threshold ?? 1 }

    /// Of its first selector, if that gives one.
    package var metricName: String? {
        expression.operands[0].selector.matchers.first {
            $0.name == SeriesKey.nameLabel && $0.operation == .equal
        }?.value
    }

    func holds(_ value: Double) -> Bool { condition?.holds(value) ?? (value == 1) }

    /// Whether a value ends what began.
    func isReleased(by value: Double) -> Bool { release?.holds(value) ?? !holds(value) }

    package static func isName(_ text: String) -> Bool {
        (1...Finding.Rule.nameBytesMax).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
                    || $0 == UInt8(ascii: "_")
            }
    }
}
