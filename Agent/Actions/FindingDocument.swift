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
            ("since", "\"\(TimeText.utc(finding.since))\""),
            ("until", finding.until.map { "\"\(TimeText.utc($0))\"" } ?? "null"),
            ("score", Self.number(finding.score)), ("peak", "\"\(TimeText.utc(finding.peakAt))\""),
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
            ("STAGEBOX_SEVERITY", finding.severity.name), ("STAGEBOX_SINCE", TimeText.utc(finding.since)),
            ("STAGEBOX_SCORE", Self.number(finding.score)),
        ]
        if let until = finding.until { variables.append(("STAGEBOX_UNTIL", TimeText.utc(until))) }
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

/// RFC 3339 in UTC, to the millisecond.
package enum TimeText {
    package static func utc(_ time: Timestamp) -> String {
        // Beyond these the year has more than four digits, which the format does not have.
        let milliseconds = max(-62_135_596_800_000, min(253_402_300_799_999, time.milliseconds))
        let day = floorDivide(milliseconds, 86_400_000)
        let rest = milliseconds - day * 86_400_000
        let (year, month, date) = civil(day)
        func padded(_ number: Int64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(date, 2))T\(padded(rest / 3_600_000, 2)):"
            + "\(padded(rest / 60_000 % 60, 2)):\(padded(rest / 1000 % 60, 2)).\(padded(rest % 1000, 3))Z"
    }

    /// Days since 1970 as year, month and day of the proleptic Gregorian calendar, by 400-year eras of 146,097 days that
    /// begin on 1 March.
    private static func civil(_ day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = floorDivide(shifted, 146_097)
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * ofYear + 2) / 153
        let civilMonth = month < 10 ? month + 3 : month - 9
        return (yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0), civilMonth, ofYear - (153 * month + 2) / 5 + 1)
    }

    private static func floorDivide(_ left: Int64, _ right: Int64) -> Int64 {
        left >= 0 ? left / right : -((-left + right - 1) / right)
    }
}
