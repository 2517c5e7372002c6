import Foundation

/// Results as tables that fit the terminal.
enum ResultTable {
    /// One row per series: labels that differ as columns, what all share above.
    static func vector(_ series: [QueryAnswer.Series], width: Int) -> [String] {
        guard !series.isEmpty else { return ["no series"] }
        let (shared, columns) = split(series)
        var lines = shared.isEmpty ? [] : [Terminal.cut(shared, to: width)]
        let header = columns.map { $0 == "__name__" ? "metric" : $0 } + ["value"]
        let rows = series.map { entry in
            columns.map { Terminal.clean(entry.labels[$0] ?? "") } + [entry.samples.last?.text ?? ""]
        }
        if let table = table([header] + rows, width: width) {
            lines += table
        } else {
            // Too many labels for columns.
            lines += series.flatMap { entry -> [String] in
                let value = entry.samples.last?.text ?? ""
                let line = "\(entry.description)  \(value)"
                return Terminal.width(of: line) <= width
                    ? [line] : [Terminal.cut(entry.description, to: width), "    \(value)"]
            }
        }
        if series.count > 1 { lines.append("\(series.count) series") }
        return lines
    }

    /// A column per series if they fit, else a line per series with its ends and extremes.
    static func matrix(_ series: [QueryAnswer.Series], width: Int) -> [String] {
        guard !series.isEmpty else { return ["no series"] }
        let times = Set(series.flatMap { $0.samples.map(\.time) }).sorted()
        let names = series.indices.map { series.count == 1 ? "value" : "[\($0 + 1)]" }
        let values = series.map { Dictionary($0.samples.map { ($0.time, $0.text) }) { $1 } }
        let rows = times.map { time in [ClockText.full(time)] + values.map { $0[time] ?? "" } }
        let legend = series.enumerated().map { index, entry in
            Terminal.cut(series.count == 1 ? entry.description : "[\(index + 1)] \(entry.description)", to: width)
        }
        if let table = table([["time (UTC)"] + names] + rows, width: width) { return legend + table }
        let header = ["", "first", "last", "min", "max", "points"]
        let summary = series.enumerated().map { index, entry -> [String] in
            let numbers = entry.samples.compactMap { Double($0.text) }.filter { !$0.isNaN }
            func short(_ value: Double?) -> String { value.map { String(format: "%.6g", $0) } ?? "" }
            return [
                "[\(index + 1)]", entry.samples.first?.text ?? "", entry.samples.last?.text ?? "", short(numbers.min()),
                short(numbers.max()), String(entry.samples.count),
            ]
        }
        return legend + (table([header] + summary, width: max(width, 120)) ?? [])
    }

    /// Labels with one value throughout as text, and the names of the others; the metric's name first.
    private static func split(_ series: [QueryAnswer.Series]) -> (shared: String, columns: [String]) {
        let names = Set(series.flatMap(\.labels.keys))
        let shared =
            series.count > 1
            ? names.filter { name in
                let value = series[0].labels[name]
                return value != nil && series.allSatisfy { $0.labels[name] == value }
            } : []
        let columns = names.subtracting(shared).sorted { ($0 == "__name__" ? "" : $0) < ($1 == "__name__" ? "" : $1) }
        guard !shared.isEmpty else { return ("", columns) }
        let common = QueryAnswer.Series(labels: series[0].labels.filter { shared.contains($0.key) }, samples: [])
        return (common.description, columns)
    }

    /// - Returns: nil when it does not fit. The last column is aligned to the right, the first row is the header.
    private static func table(_ rows: [[String]], width: Int) -> [String]? {
        guard let columns = rows.first?.count else { return nil }
        let widths = (0..<columns).map { column in rows.map { Terminal.width(of: $0[column]) }.max() ?? 0 }
        guard widths.reduce(0, +) + 2 * (columns - 1) <= width else { return nil }
        var lines = rows.map { row in
            let cells = row.indices.map { Terminal.padded(row[$0], to: widths[$0], right: isNumeric(rows, $0)) }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
        lines.insert(widths.map { String(repeating: "─", count: $0) }.joined(separator: "  "), at: 1)
        return lines
    }

    private static func isNumeric(_ rows: [[String]], _ column: Int) -> Bool {
        rows.count > 1 && rows.dropFirst().allSatisfy { $0[column].isEmpty || Double($0[column]) != nil }
            && rows.dropFirst().contains { !$0[column].isEmpty }
    }
}
