import Actions
import Glibc
import Telemetry

/// A finding for people: one line for the log, several with a small chart for the terminal.
enum FindingText {
    static func line(_ finding: Finding) -> String {
        let state = finding.until == nil ? "opened" : "closed"
        let first = finding.contributors.first.map { ", most of all \(SeriesText.text($0.key))" } ?? ""
        if let rule = finding.rule { return "\(text(rule)) \(state)\(first)" }
        return "\(finding.group) \(state), score \(hundredths(finding.score))\(first)"
    }

    private static func text(_ rule: Finding.Rule) -> String {
        "rule \(rule.name) (\(rule.severity.name), \(rule.value) against \(rule.threshold))"
    }

    /// - Parameter outcomes: what became of the actions about it.
    static func lines(_ finding: Finding, _ outcomes: [ActionOutcome] = []) -> [String] {
        let until = finding.until.map(utc) ?? "open"
        let title = finding.rule.map(text) ?? "\(finding.group)  score \(hundredths(finding.score))"
        var lines = [
            "\(title)  \(utc(finding.since)) ... \(until)  "
                + "\(finding.anomalousCount) \(finding.anomalousCount == 1 ? "sample" : "samples")"
        ]
        for contributor in finding.contributors {
            lines.append("    \(Int((contributor.share * 100).rounded())) %  \(SeriesText.text(contributor.key))")
        }
        if let chart = chart(finding.shape?.values ?? []) { lines.append("    \(chart)") }
        for outcome in outcomes {
            let detail = outcome.detail.isEmpty ? "" : ": \(outcome.detail)"
            lines.append(
                "    \(utc(outcome.at))  \(outcome.action) on \(outcome.isOpening ? "opening" : "closing"), "
                    + "\(outcome.result.name)\(detail)")
        }
        return lines
    }

    /// UTC, to the second.
    private static func utc(_ at: Timestamp) -> String {
        var seconds = time_t(at.milliseconds.quotientAndRemainder(dividingBy: 1000).quotient)
        var fields = tm()
        guard gmtime_r(&seconds, &fields) != nil else { return "\(at.milliseconds) ms" }
        func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(fields.tm_year + 1900)-\(padded(fields.tm_mon + 1))-\(padded(fields.tm_mday)) "
            + "\(padded(fields.tm_hour)):\(padded(fields.tm_min)):\(padded(fields.tm_sec))"
    }

    private static func hundredths(_ score: Double) -> String {
        let number = Int((max(0, min(1, score)) * 100).rounded())
        return number == 100 ? "1.00" : "0.\(number < 10 ? "0" : "")\(number)"
    }

    /// Eighths of blocks; nil when there is nothing to draw.
    private static func chart(_ values: [Float]) -> String? {
        let bars: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        let finite = values.filter(\.isFinite)
        guard let low = finite.min(), let high = finite.max() else { return nil }
        let text = values.map { value -> Character in
            guard value.isFinite else { return " " }
            let share = high > low ? (value - low) / (high - low) : 0.5
            return bars[min(bars.count - 1, Int(share * Float(bars.count)))]
        }
        return "\(String(text))  \(low) ... \(high)"
    }
}
