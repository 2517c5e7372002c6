import Glibc
import Telemetry

/// A finding for people: one line for the log, several with a small chart for the terminal.
enum FindingText {
    static func line(_ finding: Finding) -> String {
        let state = finding.until == nil ? "opened" : "closed"
        let first = finding.contributors.first.map { ", most of all \(series($0.key))" } ?? ""
        return "\(finding.group) \(state), score \(hundredths(finding.score))\(first)"
    }

    static func lines(_ finding: Finding) -> [String] {
        let until = finding.until.map(utc) ?? "open"
        var lines = [
            "\(finding.group)  score \(hundredths(finding.score))  \(utc(finding.since)) ... \(until)  "
                + "\(finding.anomalousCount) samples"
        ]
        for contributor in finding.contributors {
            lines.append("    \(Int((contributor.share * 100).rounded())) %  \(series(contributor.key))")
        }
        if let chart = chart(finding.shape?.values ?? []) { lines.append("    \(chart)") }
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

    private static func series(_ key: SeriesKey) -> String {
        let labels = key.labels.filter { $0.name != SeriesKey.nameLabel }.map { "\($0.name)=\"\($0.value)\"" }
        return key.name + (labels.isEmpty ? "" : "{\(labels.joined(separator: ", "))}")
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
