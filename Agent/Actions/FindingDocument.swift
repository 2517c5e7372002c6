package import Telemetry

/// A finding as actions get it: JSON with the names of `/api/v1/findings`, and environment variables.
package struct FindingDocument {
    /// A pipe holds it without anybody reading (pipe(7): 65,536 bytes).
    package static let bytesMax = 60_000

    private let finding: Finding
    private let action: String
    private let agent: String

    package init(_ job: ActionJob, agent: AgentID) {
        finding = job.finding
        action = job.action.name
        self.agent = agent.rawValue
    }

    private var event: String { finding.until == nil ? "opened" : "closed" }

    /// One object, at most ``bytesMax`` bytes: with labels too long for that it lists no contributors.
    package var json: [UInt8] {
        let whole = json(finding.contributors)
        return whole.utf8.count <= Self.bytesMax ? Array(whole.utf8) : Array(json([]).utf8)
    }

    private func json(_ contributors: [Finding.Contributor]) -> String {
        let listed = contributors.map { contributor in
            let labels = contributor.key.labels.map { "\(Self.quoted($0.name)):\(Self.quoted($0.value))" }
            return "{\"labels\":{\(labels.joined(separator: ","))},\"share\":\(Self.number(contributor.share))}"
        }
        let rule = finding.rule.map { rule in
            "{\"name\":\(Self.quoted(rule.name)),\"severity\":\"\(rule.severity.name)\","
                + "\"value\":\(Self.number(rule.value)),\"threshold\":\(Self.number(rule.threshold))}"
        }
        let fields: [(String, String)] = [
            ("event", "\"\(event)\""), ("action", Self.quoted(action)), ("agent", Self.quoted(agent)),
            ("id", "\"\(finding.id)\""), ("group", Self.quoted(finding.group)),
            ("severity", "\"\(finding.severity.name)\""),
            ("state", finding.until == nil ? "\"open\"" : "\"closed\""),
            ("since", "\"\(InternetTime.format(finding.since))\""),
            ("until", finding.until.map { "\"\(InternetTime.format($0))\"" } ?? "null"),
            ("score", Self.number(finding.score)), ("peak", "\"\(InternetTime.format(finding.peakAt))\""),
            ("anomalous_samples", "\(finding.anomalousCount)"), ("rule", rule ?? "null"),
            ("contributors", "[\(listed.joined(separator: ","))]"),
        ]
        return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// `NAME=VALUE`, nothing of the agent's own environment among them.
    package var environment: [String] {
        var variables = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8"),
            ("STAGEBOX_EVENT", event), ("STAGEBOX_ACTION", action), ("STAGEBOX_AGENT", agent),
            ("STAGEBOX_FINDING", finding.id.description), ("STAGEBOX_GROUP", finding.group),
            ("STAGEBOX_SEVERITY", finding.severity.name), ("STAGEBOX_SINCE", InternetTime.format(finding.since)),
            ("STAGEBOX_SCORE", Self.number(finding.score)),
        ]
        if let until = finding.until { variables.append(("STAGEBOX_UNTIL", InternetTime.format(until))) }
        if let rule = finding.rule {
            variables += [
                ("STAGEBOX_RULE", rule.name), ("STAGEBOX_VALUE", Self.number(rule.value)),
                ("STAGEBOX_THRESHOLD", Self.number(rule.threshold)),
            ]
        }
        if let first = finding.contributors.first {
            variables.append(("STAGEBOX_SERIES", SeriesText.text(first.key)))
        }
        // A value ends at a zero byte, and nobody expects a line break in one.
        return variables.map { "\($0.0)=\(ActionOutcome.withoutControls($0.1))" }
    }

    private static func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                quoted += "\\u00" + Hexadecimal.encode([UInt8(truncatingIfNeeded: scalar.value)])
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// A series for people.
package enum SeriesText {
    package static func text(_ key: SeriesKey) -> String {
        let labels = key.labels.filter { $0.name != SeriesKey.nameLabel }.map { "\($0.name)=\"\($0.value)\"" }
        return key.name + (labels.isEmpty ? "" : "{\(labels.joined(separator: ", "))}")
    }
}
