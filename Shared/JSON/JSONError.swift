/// Why bytes are not the JSON that was asked for, and exactly where.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Problem: Sendable, Equatable {
        case unexpectedEnd
        /// What stands here is not what the grammar allows here; the text says what is.
        case expected(StaticText)
        case controlCharacter
        case tooDeep
        case invalidNumber
        case invalidEscape
        case loneSurrogate
        case invalidUTF8
    }

    public var problem: Problem
    /// Bytes from the start of the body.
    public var offset: Int

    package init(problem: Problem, offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    public var description: String { "\(reason) at byte \(offset)" }

    public var reason: String {
        switch problem {
        case .unexpectedEnd: "the text ends in the middle of a value"
        case .expected(let what): "expected \(what.text)"
        case .controlCharacter: "unescaped control character in a string; write it as \\u00XX"
        case .tooDeep: "nested too deeply"
        case .invalidNumber: "not a JSON number"
        case .invalidEscape: "invalid escape in a string"
        case .loneSurrogate: "half of a UTF-16 surrogate pair in a string"
        case .invalidUTF8: "invalid UTF-8 in a string"
        }
    }

    /// A constant text that can be compared (`StaticString` cannot).
    public struct StaticText: Sendable, Equatable {
        public let text: String
        package init(_ text: StaticString) { self.text = String(describing: text) }
    }
}
