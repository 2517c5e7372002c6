import ArgumentParser
import Foundation
import MQTT

struct Findings: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What agents found strange: since when, how much, which series contributed most, how it looked.")
    @Option(help: "Of this agent only, enrolled here or in a region.")
    var agent: String?
    @Option(help: "Only what this relay handed on from its region.")
    var relay: String?
    @Flag(help: "Only those that are open.")
    var open = false
    @Option(help: "Of this group only: cpu, memory, disk, network, streams, metric.")
    var group: String?
    @Option(help: "From when: RFC 3339 or Unix seconds; a day ago without.")
    var start: String?
    @Option(help: "Until when; now without.")
    var end: String?
    @Option(help: "The newest so many, 1 to 1000.")
    var limit = 20
    @Flag(help: "The API's answer as it is.")
    var json = false
    @OptionGroup var about: TenantOption

    func run() throws {
        var items = URLComponents()
        items.queryItems =
            [URLQueryItem(name: "limit", value: String(limit))]
            + [
                ("agent", agent), ("relay", relay), ("state", open ? "open" : nil), ("group", group), ("start", start),
                ("end", end),
            ].compactMap { name, value in value.map { URLQueryItem(name: name, value: $0) } }
        let query = (items.percentEncodedQuery ?? "").replacingOccurrences(of: "+", with: "%2B")
        if json {
            let answer = try about.session().send("GET", "/api/v1/findings?\(query)")
            FileHandle.standardOutput.write(Data(answer.body + [0x0A]))
            return
        }
        let found = try about.session().json("GET", "/api/v1/findings?\(query)")["findings"] as? [[String: Any]] ?? []
        if found.isEmpty { print("no findings") }
        for finding in found { FindingText(finding).lines.forEach { print($0) } }
    }
}

/// One finding as lines of text with a small chart.
struct FindingText {
    private let finding: [String: Any]

    init(_ finding: [String: Any]) { self.finding = finding }

    var lines: [String] {
        let score = (finding["score"] as? Double).map { String(format: "%.2f", $0) } ?? "-"
        let until = finding["until"] as? String ?? "open"
        let rule = (finding["rule"] as? [String: Any]).map { rule in
            let name = rule["name"] as? String ?? "-"
            let numbers = [rule["value"], rule["threshold"]].map {
                ($0 as? Double).map { String(format: "%.6g", $0) } ?? "-"
            }
            return "rule \(name) (\(rule["severity"] as? String ?? "-"), \(numbers[0]) against \(numbers[1]))"
        }
        let title = rule ?? "\(text("group"))  score \(score)"
        var lines = [
            "\(node)  \(title)  \(text("since")) … \(until)  "
                + "\(text("anomalous_samples")) \(text("anomalous_samples") == "1" ? "sample" : "samples")" + origin
        ]
        for contributor in finding["contributors"] as? [[String: Any]] ?? [] {
            let share = ((contributor["share"] as? Double ?? 0) * 100).rounded()
            lines.append("    \(Int(share)) %  \(Self.series(contributor["labels"] as? [String: String] ?? [:]))")
        }
        let values = ((finding["shape"] as? [String: Any])?["values"] as? [Any] ?? []).map { $0 as? Double }
        if let chart = Sparkline.text(values) { lines.append("    \(chart)") }
        return lines
    }

    /// The node, and, of one in another region, which.
    private var node: String {
        guard let relay = finding["relay"] as? String else { return text("agent") }
        let region = finding["region"] as? String ?? ""
        return "\(text("agent")) (\(region.isEmpty ? "" : "\(region), ")over \(relay))"
    }

    /// Who found it, unless it was the node alone.
    private var origin: String {
        if finding["origin"] as? String == "fleet" { return ", by its peers" }
        return (finding["fleet"] as? [Any] ?? []).isEmpty ? "" : ", also by its peers"
    }

    private func text(_ name: String) -> String { finding[name].map { "\($0)" } ?? "-" }

    static func series(_ labels: [String: String]) -> String {
        let rest = labels.filter { $0.key != "__name__" }.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }
        return (labels["__name__"] ?? "") + (rest.isEmpty ? "" : "{\(rest.joined(separator: ", "))}")
    }
}

/// A row of eighths of blocks.
enum Sparkline {
    static let widthMax = 80
    private static let bars: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    /// - Returns: nil when no value is finite. Neighbours share a column by their largest when there are too many.
    static func text(_ values: [Double?]) -> String? {
        let finite = values.compactMap { $0 }.filter(\.isFinite)
        guard let low = finite.min(), let high = finite.max() else { return nil }
        let columns = min(widthMax, values.count)
        return String(
            (0..<columns).map { column -> Character in
                let part = values[column * values.count / columns..<(column + 1) * values.count / columns]
                guard let value = part.compactMap({ $0 }).filter(\.isFinite).max() else { return " " }
                let share = high > low ? (value - low) / (high - low) : 0.5
                return bars[min(bars.count - 1, Int(share * Double(bars.count)))]
            }) + "  \(short(low)) … \(short(high))"
    }

    private static func short(_ value: Double) -> String { String(format: "%.4g", value) }
}
