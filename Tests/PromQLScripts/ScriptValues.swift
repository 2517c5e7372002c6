import PromQL
package import Telemetry

/// A line of a script that names a series and its values: `metric{a="b"} 0+10x5 _ stale {{…}}`.
package struct ScriptSeries {
    package enum Value {
        case none
        case number(Double)
        case nativeHistogram
    }
    package let key: SeriesKey
    package let values: [Value]

    package var hasHistogram: Bool { values.contains { if case .nativeHistogram = $0 { true } else { false } } }

    package init(_ line: String) throws {
        let split = Self.selectorEnd(line)
        let selector = String(line[..<split]).trimmingBlanks
        var labels: [Label] = []
        if selector != "{}" {
            for matcher in try Parser.parseSelector(selector) { labels.append(Label(matcher.name, matcher.value)) }
        }
        key = SeriesKey(labels: labels)
        values = try Self.tokens(String(line[split...])).flatMap(Self.expand)
    }

    private static func selectorEnd(_ line: String) -> String.Index {
        var quote: Character?
        var isInBraces = false
        for index in line.indices {
            let character = line[index]
            if let open = quote {
                if character == open, line[line.index(before: index)] != "\\" { quote = nil }
            } else if character == "\"" || character == "'" || character == "`" {
                quote = character
            } else if character == "{" {
                isInBraces = true
            } else if character == "}" {
                return line.index(after: index)
            } else if character == " " || character == "\t", !isInBraces {
                let rest = line[index...].drop { $0 == " " || $0 == "\t" }
                if rest.first != "{" || rest.hasPrefix("{{") { return index }
            }
        }
        return line.endIndex
    }

    /// Split at blanks outside of `{{ }}`.
    private static func tokens(_ text: String) -> [String] {
        var result: [String] = []
        var current = ""
        var depth = 0
        for character in text {
            if character == "{" { depth += 1 }
            if character == "}" { depth -= 1 }
            if depth == 0, character == " " || character == "\t" {
                if !current.isEmpty { result.append(current) }
                current = ""
            } else {
                current.append(character)
            }
        }
        if !current.isEmpty { result.append(current) }
        return result
    }

    private static func expand(_ token: String) throws -> [Value] {
        let histogramEnd = token.hasPrefix("{{") ? token.lastIndex(of: "}") : nil
        let searchStart = histogramEnd ?? token.startIndex
        if let times = token[searchStart...].lastIndex(of: "x"), let count = Int(token[token.index(after: times)...]) {
            let head = String(token[..<times])
            if head == "_" { return Array(repeating: .none, count: count) }
            if head.hasPrefix("{{") { return Array(repeating: .nativeHistogram, count: count + 1) }
            let (start, increment) = try series(head)
            var value = start
            return (0...count).map { _ in
                defer { value += increment }
                return .number(value)
            }
        }
        if token == "_" { return [.none] }
        if token == "stale" { return [.number(StalenessMarker.value)] }
        return token.hasPrefix("{{") ? [.nativeHistogram] : [.number(try number(token))]
    }

    /// `5`, `5+2`, `-1e3-0.5`.
    private static func series(_ text: String) throws -> (Double, Double) {
        var previous: Character = "e"
        for index in text.indices {
            let character = text[index]
            if character == "+" || character == "-", index > text.startIndex, previous != "e", previous != "E" {
                return (try number(String(text[..<index])), try number(String(text[index...])))
            }
            previous = character
        }
        return (try number(text), 0)
    }

    static func number(_ text: String) throws -> Double {
        guard let value = Double(text) else { throw ScriptError("no number: \(text)") }
        return value
    }
}

package struct ScriptError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

extension String {
    var trimmingBlanks: String {
        let head = drop { $0 == " " || $0 == "\t" || $0 == "\r" }
        guard let last = head.lastIndex(where: { $0 != " " && $0 != "\t" && $0 != "\r" }) else { return "" }
        return String(head[...last])
    }
}
