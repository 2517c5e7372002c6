import ArgumentParser
import Foundation
import MQTT

struct Ledger: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What each agent produced and what became of it: committed, rejected, dropped, pending.")
    @OptionGroup var about: TenantOption
    func run() throws {
        let answer = try about.session().json("GET", "/api/v1/ledger")
        let lines = (answer["lanes"] as? [[String: Any]] ?? []).map { line in
            var flat = line
            for state in ["produced", "committed", "pending"] {
                guard let count = line[state] as? [String: Any] else { continue }
                flat[state] = "\(count["batches"] ?? 0)/\(count["records"] ?? 0)"
            }
            for state in ["rejected", "dropped"] {
                let reasons = line[state] as? [String: [String: Any]] ?? [:]
                flat[state] =
                    reasons.isEmpty
                    ? "0"
                    : reasons.map { "\($0.key) \($0.value["batches"] ?? 0)/\($0.value["records"] ?? 0)" }.joined(
                        separator: ", ")
            }
            return flat
        }
        Table.printRows(
            lines,
            columns: ["agent", "epoch", "lane", "produced", "committed", "rejected", "dropped", "pending", "balanced"])
        print("balanced: \(answer["balanced"] ?? "unknown") (counts are batches/records)")
    }
}

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Samples of matching series, to standard output.")
    @Argument(help: "Selectors, as in 'node_load1{region=\"eu\"}'.")
    var selectors: [String]
    @Option(help: "From when: RFC 3339 or Unix seconds; an hour ago without.")
    var start: String?
    @Option(help: "Until when; now without.")
    var end: String?
    @Option(help: "jsonl or csv.")
    var format = "jsonl"
    @OptionGroup var about: TenantOption

    func run() throws {
        var items = URLComponents()
        items.queryItems =
            selectors.map { URLQueryItem(name: "match[]", value: $0) }
            + [
                URLQueryItem(name: "start", value: start ?? String(Date().timeIntervalSince1970 - 3600)),
                URLQueryItem(name: "format", value: format),
            ] + (end.map { [URLQueryItem(name: "end", value: $0)] } ?? [])
        let query = (items.percentEncodedQuery ?? "").replacingOccurrences(of: "+", with: "%2B")
        let answer = try about.session().send("GET", "/api/v1/export?\(query)")
        FileHandle.standardOutput.write(Data(answer.body))
    }
}

/// Plain text tables.
enum Table {
    static func printRows(_ rows: Any?, columns: [String]) {
        let rows = rows as? [[String: Any]] ?? []
        let cells = [columns] + rows.map { row in columns.map { text(row[$0]) } }
        let widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        for line in cells {
            let padded = line.indices.map { line[$0].padding(toLength: widths[$0], withPad: " ", startingAt: 0) }
            print(padded.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }

    private static func text(_ value: Any?) -> String {
        switch value {
        case nil, is NSNull: "-"
        case let value?: String("\(value)".prefix { !$0.isNewline })
        }
    }
}
