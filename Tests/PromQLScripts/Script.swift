import PromQL

/// A script of Prometheus' PromQL tests: `load`, `clear`, `eval` with expectations.
package struct Script {
    package enum Command {
        case load(step: Int64, [ScriptSeries])
        case clear
        case eval(Evaluation)
    }

    package struct Evaluation {
        package let line: Int
        package let query: String
        /// Milliseconds; equal for an instant query.
        package var start: Int64
        package var end: Int64
        package var step: Int64
        package let isInstant: Bool
        var expectations: [Expectation] = []
        package var series: [ScriptSeries] = []
        var scalar: Double?
        var text: String?
        /// Of a range vector that an instant query returns: its first time and step.
        var rangeVector: (start: Int64, step: Int64)?

        func expects(_ kind: Expectation.Kind) -> Bool { expectations.contains { $0.kind == kind } }
    }

    package struct Expectation {
        package enum Kind: String {
            case fail, warn, info, ordered
            case noWarn = "no_warn"
            case noInfo = "no_info"
        }
        package enum Text { case any, exact(String), pattern(String) }
        let kind: Kind
        let text: Text
    }

    package private(set) var commands: [Command] = []
    private let lines: [String]
    private var position = 0

    package init(_ text: String) throws {
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let trimmed = String(line).trimmingBlanks
            return trimmed.hasPrefix("#") ? "" : trimmed
        }
        while position < lines.count {
            let line = lines[position]
            if line.isEmpty {
                position += 1
            } else if line == "clear" {
                commands.append(.clear)
                position += 1
            } else if line.hasPrefix("load") {
                commands.append(try load(line))
            } else if line.hasPrefix("eval") {
                commands.append(.eval(try eval(line)))
            } else {
                throw ScriptError("line \(position + 1): \(line)")
            }
        }
    }

    private mutating func block() -> [String] {
        position += 1
        let start = position
        while position < lines.count, !lines[position].isEmpty { position += 1 }
        return Array(lines[start..<position])
    }

    private static func words(_ line: String, _ count: Int) -> [String] {
        line.split(maxSplits: count - 1, omittingEmptySubsequences: true) { $0 == " " || $0 == "\t" }
            .map { String($0).trimmingBlanks }
    }

    private static func time(_ text: String) throws -> Int64 {
        let isNegative = text.hasPrefix("-")
        let plain = isNegative ? String(text.dropFirst()) : text
        if let milliseconds = DurationText.milliseconds(plain) { return isNegative ? -milliseconds : milliseconds }
        guard let seconds = Double(text) else { throw ScriptError("no time: \(text)") }
        return Int64((seconds * 1000).rounded())
    }

    private mutating func load(_ line: String) throws -> Command {
        let step = try Self.time(Self.words(line, 2)[1])
        return .load(step: step, try block().map { try ScriptSeries($0) })
    }

    private mutating func eval(_ line: String) throws -> Evaluation {
        let number = position + 1
        let head = Self.words(line, 3)
        var evaluation: Evaluation
        if head[1] == "instant" {
            let isAt = head[2].hasPrefix("at ") || head[2].hasPrefix("at\t")
            let words = isAt ? Self.words(head[2], 3) : ["at", "0", head[2]]
            let time = try Self.time(words[1])
            evaluation = Evaluation(
                line: number, query: words[2], start: time, end: time, step: 1, isInstant: true)
        } else {
            let words = Self.words(head[2], 7)
            guard words.count == 7, words[0] == "from", words[2] == "to", words[4] == "step" else {
                throw ScriptError("line \(number): \(line)")
            }
            evaluation = Evaluation(
                line: number, query: words[6], start: try Self.time(words[1]), end: try Self.time(words[3]),
                step: try Self.time(words[5]), isInstant: false)
        }
        switch head[0] {
        case "eval_fail": evaluation.expectations.append(Expectation(kind: .fail, text: .any))
        case "eval_warn": evaluation.expectations.append(Expectation(kind: .warn, text: .any))
        case "eval_info": evaluation.expectations.append(Expectation(kind: .info, text: .any))
        case "eval_ordered": evaluation.expectations.append(Expectation(kind: .ordered, text: .any))
        default: break
        }
        for line in block() { try read(line, &evaluation) }
        return evaluation
    }

    private func read(_ line: String, _ evaluation: inout Evaluation) throws {
        if line.hasPrefix("expect ") {
            try readExpectation(String(line.dropFirst("expect ".count)).trimmingBlanks, &evaluation)
        } else if line.hasPrefix("expected_fail_message ") {
            let text = String(line.dropFirst("expected_fail_message ".count)).trimmingBlanks
            evaluation.expectations.append(Expectation(kind: .fail, text: .exact(text)))
        } else if line.hasPrefix("expected_fail_regexp ") {
            let text = String(line.dropFirst("expected_fail_regexp ".count)).trimmingBlanks
            evaluation.expectations.append(Expectation(kind: .fail, text: .pattern(text)))
        } else if let value = Double(line) {
            evaluation.scalar = value
        } else {
            evaluation.series.append(try ScriptSeries(line))
        }
    }

    private func readExpectation(_ text: String, _ evaluation: inout Evaluation) throws {
        if text.hasPrefix("string ") {
            let quoted = String(text.dropFirst("string ".count)).trimmingBlanks
            if case .string(let literal) = try Parser.parse(quoted) { evaluation.text = literal.value }
            return
        }
        if text.hasPrefix("range vector") {
            let words = Self.words(text, 8)
            evaluation.rangeVector = (try Self.time(words[3]), try Self.time(words[7]))
            return
        }
        let words = Self.words(text, 2)
        guard let kind = Expectation.Kind(rawValue: words[0]) else { throw ScriptError("expect \(text)") }
        var match = Expectation.Text.any
        if words.count > 1 {
            let rest = words[1]
            if rest.hasPrefix("msg:") {
                match = .exact(String(rest.dropFirst(4)).trimmingBlanks)
            } else if rest.hasPrefix("regex:") {
                match = .pattern(String(rest.dropFirst(6)).trimmingBlanks)
            }
        }
        evaluation.expectations.append(Expectation(kind: kind, text: match))
    }
}
