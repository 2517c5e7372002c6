import ArgumentParser
import Foundation
import MQTT
import PromQL
import RuntimeSupport
import Telemetry

struct Anomalies: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What became strange together: series, nodes, metrics and groups, ranked by how much more often they "
            + "are anomalous in a window than in the four before it.")
    @Option(help: "The window: so long until now, as 15m or 1h30m; one minute to a day.")
    var last = "1h"
    @Option(help: "Instead, from when: RFC 3339 or Unix seconds.")
    var start: String?
    @Option(help: "Until when; now without.")
    var end: String?
    @Option(help: "Instead, the time around the finding with this id.")
    var finding: String?
    @Option(
        name: .customLong("match"), help: "Only these series, as 'node_cpu_seconds_total{region=\"eu\"}'; may repeat.")
    var selectors: [String] = []
    @Option(help: "The first so many of each list, 1 to 1000.")
    var limit = 10
    @Flag(help: "The API's answer as it is.")
    var json = false
    @OptionGroup var about: TenantOption

    func validate() throws {
        guard DurationText.milliseconds(last) != nil else {
            throw ValidationError("--last: a duration such as 15m, not \"\(last)\"")
        }
    }

    func run() throws {
        var items = URLComponents()
        items.queryItems =
            [URLQueryItem(name: "limit", value: String(limit))]
            + [("start", start ?? beginning), ("end", end), ("finding", finding)].compactMap { name, value in
                value.map { URLQueryItem(name: name, value: $0) }
            } + selectors.map { URLQueryItem(name: "match[]", value: $0) }
        let query = (items.percentEncodedQuery ?? "").replacingOccurrences(of: "+", with: "%2B")
        if json {
            let answer = try about.session().send("GET", "/api/v1/anomalies?\(query)")
            FileHandle.standardOutput.write(Data(answer.body + [0x0A]))
            return
        }
        let answer = try about.session().json("GET", "/api/v1/anomalies?\(query)")
        AnomalyText(answer).lines.forEach { print($0) }
    }

    /// What `--last` says, unless the window is told otherwise.
    private var beginning: String? {
        guard finding == nil, end == nil, let length = DurationText.milliseconds(last) else { return nil }
        return String(Double(SystemTimeSource().now.milliseconds - length) / 1000)
    }
}

/// A ranking as lines of text.
struct AnomalyText {
    private let answer: [String: Any]

    init(_ answer: [String: Any]) { self.answer = answer }

    var lines: [String] {
        var lines: [String] = []
        for (list, name) in [("nodes", "agent"), ("groups", "group"), ("metrics", "metric"), ("series", "labels")] {
            let entries = answer[list] as? [[String: Any]] ?? []
            guard !entries.isEmpty else { continue }
            lines.append("\(list):")
            for entry in entries { lines.append("  \(figures(entry))  \(text(entry[name]))") }
        }
        let seen = "\(answer["series_seen"] ?? 0) series looked at"
        return lines.isEmpty ? ["nothing is anomalous; \(seen)"] : lines + [seen]
    }

    private func figures(_ entry: [String: Any]) -> String {
        let score = entry["score"] as? Double ?? 0
        let rates = [entry["rate"], entry["rate_before"]].map { String(format: "%5.1f %%", 100 * ($0 as? Double ?? 0)) }
        return String(format: "%6.1f", score) + "  \(rates[0]), before \(rates[1])"
    }

    private func text(_ name: Any?) -> String {
        guard let labels = name as? [String: String] else { return name.map { "\($0)" } ?? "" }
        return FindingText.series(labels)
    }
}
