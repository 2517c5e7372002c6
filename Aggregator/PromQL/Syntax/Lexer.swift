/// Splits an expression's text into tokens. Inside braces words are label names, inside brackets durations; the
/// first text that fits nowhere ends the list with a failure.
///
/// - Complexity: O(text).
struct Lexer {
    let bytes: [UInt8]
    var position = 0
    var tokens: [Token] = []
    private var parenDepth = 0
    private var isInBraces = false
    private var isInBrackets = false
    private var hasColon = false

    init(_ text: String) { bytes = Array(text.utf8) }

    static func tokens(of text: String) -> [Token] {
        var lexer = Lexer(text)
        while lexer.scan() {}
        return lexer.tokens
    }

    var current: UInt8? { position < bytes.count ? bytes[position] : nil }
    func byte(after distance: Int) -> UInt8? {
        position + distance < bytes.count ? bytes[position + distance] : nil
    }

    mutating func emit(_ kind: TokenKind, from start: Int) {
        tokens.append(
            Token(
                kind: kind, span: SourceSpan(start, position),
                text: String(decoding: bytes[start..<position], as: UTF8.self)))
    }

    /// Ends the list. - Returns: false.
    mutating func fail(_ message: String, from start: Int) -> Bool {
        tokens.append(Token(kind: .failure, span: SourceSpan(start, bytes.count), text: message))
        return false
    }

    /// The whole character at a position, for messages.
    func character(at offset: Int) -> String {
        guard offset < bytes.count else { return "'\\x00'" }
        let text = String(decoding: bytes[offset..<min(offset + 4, bytes.count)], as: UTF8.self)
        return text.unicodeScalars.first.map(GoText.quoted(character:)) ?? ""
    }

    /// - Returns: false at the end of the text or of what can be read.
    private mutating func scan() -> Bool {
        while let byte = current, Self.isSpace(byte) { position += 1 }
        let start = position
        guard let byte = current else { return finish(start) }
        if byte == UInt8(ascii: "#") {
            while let next = current, next != UInt8(ascii: "\n"), next != UInt8(ascii: "\r") { position += 1 }
            return true
        }
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "`") {
            return scanString(byte)
        }
        return isInBraces ? scanInBraces(byte, start) : scanOutside(byte, start)
    }

    private mutating func finish(_ start: Int) -> Bool {
        if isInBraces { return fail("unexpected end of input inside braces", from: start) }
        if isInBrackets { return fail("unclosed left bracket", from: start) }
        if parenDepth != 0 { return fail("unclosed left parenthesis", from: start) }
        emit(.endOfInput, from: start)
        return false
    }

    private mutating func scanInBraces(_ byte: UInt8, _ start: Int) -> Bool {
        if Self.isAlpha(byte) {
            while let next = current, Self.isAlphanumeric(next) { position += 1 }
            emit(.identifier, from: start)
            return true
        }
        position += 1
        switch byte {
        case UInt8(ascii: ","): emit(.comma, from: start)
        case UInt8(ascii: "="):
            if current == UInt8(ascii: "~") {
                position += 1
                emit(.matches, from: start)
            } else {
                emit(.equals, from: start)
            }
        case UInt8(ascii: "!"):
            let next = position
            position += 1
            switch next < bytes.count ? bytes[next] : 0 {
            case UInt8(ascii: "~"): emit(.notMatches, from: start)
            case UInt8(ascii: "="): emit(.binary(.notEqual), from: start)
            default:
                return fail("unexpected character after '!' inside braces: \(character(at: next))", from: start)
            }
        case UInt8(ascii: "{"): return fail("unexpected left brace '{'", from: start)
        case UInt8(ascii: "}"):
            isInBraces = false
            emit(.rightBrace, from: start)
        default: return fail("unexpected character inside braces: \(character(at: start))", from: start)
        }
        return true
    }

    private mutating func scanOutside(_ byte: UInt8, _ start: Int) -> Bool {
        let isNumber =
            Self.isDigit(byte) || (byte == UInt8(ascii: ".") && self.byte(after: 1).map(Self.isDigit) ?? false)
        if isNumber { return scanNumberOrDuration() }
        if Self.isAlpha(byte) || (byte == UInt8(ascii: ":") && !isInBrackets) { return scanWord(start) }
        if let kind = punctuation(byte) {
            position += kind.length
            emit(kind.kind, from: start)
            return true
        }
        position += 1
        switch byte {
        case UInt8(ascii: ":"):
            if hasColon { return fail("unexpected colon ':'", from: start) }
            hasColon = true
            emit(.colon, from: start)
        case UInt8(ascii: "("):
            parenDepth += 1
            emit(.leftParen, from: start)
        case UInt8(ascii: ")"):
            parenDepth -= 1
            if parenDepth < 0 { return fail("unexpected right parenthesis ')'", from: start) }
            emit(.rightParen, from: start)
        case UInt8(ascii: "{"):
            isInBraces = true
            emit(.leftBrace, from: start)
        case UInt8(ascii: "["):
            if isInBrackets { return fail("unexpected left bracket '['", from: start) }
            isInBrackets = true
            hasColon = false
            emit(.leftBracket, from: start)
        case UInt8(ascii: "]"):
            if !isInBrackets { return fail("unexpected right bracket ']'", from: start) }
            isInBrackets = false
            emit(.rightBracket, from: start)
        case UInt8(ascii: "!"):
            return fail("unexpected character after '!': \(character(at: position))", from: start)
        case UInt8(ascii: "=") where current == UInt8(ascii: "~"):
            return fail("unexpected character after '=': '~'", from: start)
        case UInt8(ascii: "="): emit(.equals, from: start)
        default: return fail("unexpected character: \(character(at: start))", from: start)
        }
        return true
    }

    private func punctuation(_ byte: UInt8) -> (kind: TokenKind, length: Int)? {
        let isFollowedByEqual = self.byte(after: 1) == UInt8(ascii: "=")
        switch byte {
        case UInt8(ascii: ","): return (.comma, 1)
        case UInt8(ascii: "+"): return (.binary(.add), 1)
        case UInt8(ascii: "-"): return (.binary(.subtract), 1)
        case UInt8(ascii: "*"): return (.binary(.multiply), 1)
        case UInt8(ascii: "/"): return (.binary(.divide), 1)
        case UInt8(ascii: "%"): return (.binary(.modulo), 1)
        case UInt8(ascii: "^"): return (.binary(.power), 1)
        case UInt8(ascii: "@"): return (.at, 1)
        case UInt8(ascii: "<"): return isFollowedByEqual ? (.binary(.lessOrEqual), 2) : (.binary(.less), 1)
        case UInt8(ascii: ">"): return isFollowedByEqual ? (.binary(.greaterOrEqual), 2) : (.binary(.greater), 1)
        case UInt8(ascii: "="): return isFollowedByEqual ? (.binary(.equal), 2) : nil
        case UInt8(ascii: "!"): return isFollowedByEqual ? (.binary(.notEqual), 2) : nil
        default: return nil
        }
    }

    private mutating func scanWord(_ start: Int) -> Bool {
        if isInBrackets {
            while let next = current, Self.isAlphanumeric(next) { position += 1 }
            let word = String(decoding: bytes[start..<position], as: UTF8.self).lowercased()
            switch word {
            case "step": emit(.keyword(.step), from: start)
            case "range": emit(.keyword(.range), from: start)
            case "min": emit(.aggregation(.min), from: start)
            case "max": emit(.aggregation(.max), from: start)
            default:
                return fail("unexpected character in duration expression: \(character(at: start))", from: start)
            }
            return true
        }
        while let next = current, Self.isAlphanumeric(next) || next == UInt8(ascii: ":") { position += 1 }
        let word = String(decoding: bytes[start..<position], as: UTF8.self)
        emit(kind(of: word), from: start)
        return true
    }

    private func kind(of word: String) -> TokenKind {
        if word.utf8.contains(UInt8(ascii: ":")) { return .metricIdentifier }
        let lower = word.lowercased()
        if lower == "inf" || lower == "nan" { return .number }
        if let aggregation = AggregationOperator(rawValue: lower) { return .aggregation(aggregation) }
        if let keyword = Keyword(rawValue: lower) {
            let isFill = keyword == .fill || keyword == .fillLeft || keyword == .fillRight
            return isFill && !isFollowedByParen ? .identifier : .keyword(keyword)
        }
        switch lower {
        case "and": return .binary(.and)
        case "or": return .binary(.or)
        case "unless": return .binary(.unless)
        case "atan2": return .binary(.arcTangent)
        default: return .identifier
        }
    }

    private var isFollowedByParen: Bool {
        bytes[position...].first { !Self.isSpace($0) } == UInt8(ascii: "(")
    }

    static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\n")
            || byte == UInt8(ascii: "\r")
    }
    static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    static func isAlpha(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z"))
            || (byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z"))
    }
    static func isAlphanumeric(_ byte: UInt8) -> Bool { isAlpha(byte) || isDigit(byte) }
}
