package import Telemetry

/// Why a series selector does not parse; `position` counts Unicode scalars from 0.
package struct SelectorError: Error, Hashable, CustomStringConvertible {
    package let text: String
    package let position: Int
    package let expectation: String
    package var description: String { "at position \(position) of \"\(text.prefix(200))\": \(expectation)" }
}

/// PromQL's series selectors: `name`, `{a="b"}`, `name{a="b", c!="d", e=~"f.*", g!~'h'}`.
///
/// At least one matcher must not match the empty text, as in Prometheus, so that nobody selects everything by
/// mistake. Strings are in double or single quotes with Go's escapes, or in backticks without any.
package enum Selector {
    /// Longer texts are refused.
    package static let textBytesMax = 8192
    package static let matchersMax = 64

    package static func parse(_ text: String) throws(SelectorError) -> [LabelMatcher] {
        guard text.utf8.count <= textBytesMax else {
            throw SelectorError(
                text: text, position: textBytesMax, expectation: "a selector of at most \(textBytesMax) bytes")
        }
        var parser = SelectorParser(text)
        return try parser.parse()
    }
}

/// Recursive descent over scalars; O(text).
struct SelectorParser {
    private let text: String
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var matchers: [LabelMatcher] = []

    init(_ text: String) {
        self.text = text
        scalars = Array(text.unicodeScalars)
    }

    mutating func parse() throws(SelectorError) -> [LabelMatcher] {
        skipBlanks()
        if let first = peek, Self.isNameStart(first) || first == ":" {
            matchers.append(.equal("__name__", readName(allowsColon: true)))
            skipBlanks()
        }
        if peek == "{" {
            position += 1
            try parseMatchers()
            skipBlanks()
        }
        guard peek == nil else { throw error("the end of the selector, not \"\(rest)\"") }
        guard !matchers.isEmpty else { throw error("a metric name or label matchers in braces") }
        guard matchers.contains(where: { !$0.isSatisfied(by: "") }) else {
            throw error("at least one matcher that the empty text does not satisfy", at: 0)
        }
        return matchers
    }

    private mutating func parseMatchers() throws(SelectorError) {
        while true {
            skipBlanks()
            if peek == "}" {
                position += 1
                return
            }
            try parseMatcher()
            skipBlanks()
            switch peek {
            case ",": position += 1
            case "}": continue
            default: throw error("\",\" or \"}\"")
            }
        }
    }

    private mutating func parseMatcher() throws(SelectorError) {
        guard let first = peek, Self.isNameStart(first) || first == "\"" || first == "'" else {
            throw error("a label name or \"}\"")
        }
        let start = position
        let name = Self.isNameStart(first) ? readName(allowsColon: false) : try readString()
        skipBlanks()
        let operation = try readOperation()
        skipBlanks()
        let valueAt = position
        guard let quote = peek, quote == "\"" || quote == "'" || quote == "`" else {
            throw error("a quoted value for label \"\(name)\"")
        }
        let value = try readString()
        guard matchers.count < Selector.matchersMax else {
            throw error("at most \(Selector.matchersMax) matchers", at: start)
        }
        do {
            matchers.append(try LabelMatcher(name, operation, value))
        } catch {
            throw self.error("a regular expression for label \"\(name)\": \(error.expectation)", at: valueAt)
        }
    }

    private mutating func readOperation() throws(SelectorError) -> LabelMatcher.Operation {
        let pair = String(String.UnicodeScalarView(scalars[position..<min(position + 2, scalars.count)]))
        if let operation = LabelMatcher.Operation(rawValue: pair) {
            position += pair.unicodeScalars.count
            return operation
        }
        guard peek == "=" else { throw error("one of = != =~ !~") }
        position += 1
        return .equal
    }

    private mutating func readName(allowsColon: Bool) -> String {
        let start = position
        while let scalar = peek, Self.isNameStart(scalar) || Self.isDigit(scalar) || (allowsColon && scalar == ":") {
            position += 1
        }
        return String(String.UnicodeScalarView(scalars[start..<position]))
    }

    private mutating func readString() throws(SelectorError) -> String {
        let start = position
        guard let quote = peek else { throw error("a quoted text") }
        position += 1
        var value = String.UnicodeScalarView()
        while let scalar = peek {
            position += 1
            if scalar == quote { return String(value) }
            if scalar == "\\", quote != "`" {
                value.append(try readEscape())
            } else if scalar == "\n", quote != "`" {
                throw error("the closing \(quote) before the line's end", at: position - 1)
            } else {
                value.append(scalar)
            }
        }
        throw error("the closing \(quote) of the text that begins here", at: start)
    }

    private mutating func readEscape() throws(SelectorError) -> Unicode.Scalar {
        let at = position - 1
        guard let scalar = peek else { throw error("an escaped character", at: at) }
        position += 1
        switch scalar {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "\\", "\"", "'": return scalar
        case "x": return try readHexadecimal(2, at)
        case "u": return try readHexadecimal(4, at)
        case "U": return try readHexadecimal(8, at)
        default:
            throw error(
                "one of \\n \\t \\r \\\\ \\\" \\' \\x.. \\u.... (a regular expression needs \\\\\\\\ for \\\\)", at: at)
        }
    }

    private mutating func readHexadecimal(_ digits: Int, _ at: Int) throws(SelectorError) -> Unicode.Scalar {
        let end = min(position + digits, scalars.count)
        let text = String(String.UnicodeScalarView(scalars[position..<end]))
        position = end
        guard text.utf8.count == digits, text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            let value = UInt32(text, radix: 16), let scalar = Unicode.Scalar(value)
        else { throw error("\(digits) hexadecimal digits of a Unicode character", at: at) }
        return scalar
    }

    private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }
    private var rest: String { String(String.UnicodeScalarView(scalars[position...].prefix(20))) }

    private mutating func skipBlanks() {
        while let scalar = peek, scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r" { position += 1 }
    }

    private func error(_ expectation: String, at place: Int? = nil) -> SelectorError {
        SelectorError(text: text, position: place ?? position, expectation: "expected \(expectation)")
    }

    private static func isNameStart(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_"
    }
    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
}
