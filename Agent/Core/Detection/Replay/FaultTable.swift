import Actions
package import Telemetry

/// Faults that were put into a recording: a line for each of its name and its first and last moment in milliseconds
/// since 1970; lines that begin with # are remarks. And what detection made of them.
package struct FaultTable: Sendable {
    package struct Fault: Sendable, Equatable {
        package var name: String
        /// Milliseconds since 1970.
        package var from: Int64
        package var until: Int64
    }
    package struct Refusal: Error, CustomStringConvertible, Equatable {
        package var line: Int
        package var description: String { "line \(line): a name and two times in milliseconds are wanted" }
    }

    package static let faultsMax = 1000
    /// What a fault leaves behind is strange too: findings that open within this time after it are its own.
    package static let wakeMilliseconds: Int64 = 60_000
    /// The clock of whoever put it in may run behind.
    package static let leadMilliseconds: Int64 = 10_000

    package private(set) var faults: [Fault] = []

    package init(faults: [Fault]) { self.faults = faults }

    package init(text: String) throws(Refusal) {
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let fields = line.split(separator: " ")
            guard let first = fields.first, !first.hasPrefix("#") else { continue }
            guard fields.count == 3, let from = Int64(fields[1]), let until = Int64(fields[2]), from <= until,
                from > 0, until < 1 << 48, faults.count < Self.faultsMax
            else { throw Refusal(line: number + 1) }
            faults.append(Fault(name: String(first), from: from, until: until))
        }
    }

    /// The groups whose finding tells this fault.
    package static func groups(of fault: String) -> Set<String> {
        switch fault {
        case "silence", "storm": [DetectionGroup.streams.rawValue]
        default: [fault, DetectionGroup.metric.rawValue]
        }
    }

    /// One fault and the findings that opened in it or its wake, in their order.
    package struct Row: Sendable {
        package var fault: Fault
        package var findings: [Finding]

        /// How long after the fault began a finding of the right group opened; nil: none did.
        package var delayMilliseconds: Int64? {
            let groups = FaultTable.groups(of: fault.name)
            return findings.first { groups.contains($0.group) }.map { max(0, $0.since.milliseconds - fault.from) }
        }
    }

    /// - Parameter opened: findings as they opened.
    /// - Returns: a row for each fault, and the findings outside of all.
    package func judge(_ opened: [Finding]) -> (rows: [Row], outside: [Finding]) {
        var rows = faults.map { Row(fault: $0, findings: []) }
        var outside: [Finding] = []
        for finding in opened {
            let since = finding.since.milliseconds
            let owner = faults.firstIndex {
                $0.from - Self.leadMilliseconds <= since && since <= $0.until + Self.wakeMilliseconds
            }
            if let owner { rows[owner].findings.append(finding) } else { outside.append(finding) }
        }
        return (rows, outside)
    }

    /// For people: a line for each fault, and what was found outside of them.
    package func lines(_ opened: [Finding], metrics: Int, span: ClosedRange<Int64>?) -> [String] {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        func text(_ finding: Finding) -> String {
            let hundredths = Int((finding.score * 100).rounded())
            let score = "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
            return "\(finding.group) \(score) " + (finding.contributors.first.map { SeriesText.text($0.key) } ?? "")
        }
        let (rows, outside) = judge(opened)
        var lines = [padded("fault", 10) + padded("found after", 14) + "findings: group, score, most of all"]
        for row in rows {
            let delay = row.delayMilliseconds.map { "\(($0 + 500) / 1000) s" } ?? "not found"
            lines.append(
                padded(row.fault.name, 10) + padded(delay, 14) + row.findings.map(text).joined(separator: "; "))
        }
        let minutes = span.map { ($0.upperBound - $0.lowerBound) / 60_000 } ?? 0
        lines.append("outside of them \(outside.count) findings; \(metrics) metrics, \(minutes) min in all")
        for finding in outside {
            let minute = span.map { (finding.since.milliseconds - $0.lowerBound) / 60_000 } ?? 0
            lines.append("    minute \(minute)  \(text(finding))")
        }
        return lines
    }
}
