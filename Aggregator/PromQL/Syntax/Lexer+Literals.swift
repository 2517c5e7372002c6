extension Lexer {
    /// A quoted text, escapes checked here and decoded by ``StringText``.
    mutating func scanString(_ quote: UInt8) -> Bool {
        let start = position
        position += 1
        while let byte = current {
            position += 1
            if byte == quote {
                emit(.string, from: start)
                return true
            }
            guard quote != UInt8(ascii: "`") else { continue }
            if byte == UInt8(ascii: "\n") { return fail("unterminated quoted string", from: start) }
            if byte == UInt8(ascii: "\\") {
                if let problem = skipEscape(quote) { return fail(problem, from: start) }
            }
        }
        return fail(quote == UInt8(ascii: "`") ? "unterminated raw string" : "unterminated quoted string", from: start)
    }

    /// - Returns: what is wrong with the escape sequence, nil when it is fine.
    private mutating func skipEscape(_ quote: UInt8) -> String? {
        guard let byte = current else { return "escape sequence not terminated" }
        let at = position
        position += 1
        let digits: (count: Int, radix: UInt32, max: UInt32)
        switch byte {
        case quote, UInt8(ascii: "\\"), UInt8(ascii: "a"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"), UInt8(ascii: "v"):
            return nil
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            position = at
            digits = (3, 8, 255)
        case UInt8(ascii: "x"): digits = (2, 16, 255)
        case UInt8(ascii: "u"): digits = (4, 16, 0x10FFFF)
        case UInt8(ascii: "U"): digits = (8, 16, 0x10FFFF)
        default: return "unknown escape sequence \(character(at: at))"
        }
        var value: UInt32 = 0
        for _ in 0..<digits.count {
            guard let digit = current else { return "escape sequence not terminated" }
            guard let number = Character(Unicode.Scalar(digit)).hexDigitValue, number < digits.radix else {
                return "illegal character \(character(at: position)) in escape sequence"
            }
            value = value &* digits.radix &+ UInt32(number)
            position += 1
        }
        let isSurrogate = (0xD800..<0xE000).contains(value)
        return value > digits.max || (digits.count > 3 && isSurrogate)
            ? "escape sequence is an invalid Unicode code point" : nil
    }

    mutating func scanNumberOrDuration() -> Bool {
        let start = position
        if scanNumber() {
            emit(.number, from: start)
            return true
        }
        if scanDurationUnits() {
            emit(.duration, from: start)
            return true
        }
        if position < bytes.count { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        return fail("bad number or duration syntax: \(GoText.quoted(text))", from: start)
    }

    /// Decimal and hexadecimal numbers with underscores between digits; stops where something else begins.
    private mutating func scanNumber() -> Bool {
        let isHexadecimal =
            current == UInt8(ascii: "0") && byte(after: 1).map { $0 | 0x20 == UInt8(ascii: "x") } ?? false
        if isHexadecimal {
            position += 2
            if current == UInt8(ascii: "_") { position += 1 }
        }
        func isDigit(_ byte: UInt8) -> Bool {
            isHexadecimal ? Character(Unicode.Scalar(byte)).isHexDigit : Self.isDigit(byte)
        }
        var hasDot = false
        var hasExponent = false
        while let byte = current {
            switch byte {
            case UInt8(ascii: "."):
                if hasDot || isHexadecimal { return false }
                hasDot = true
                position += 1
                if current == UInt8(ascii: "_") || current == UInt8(ascii: ".") { return false }
            case UInt8(ascii: "e") where !isHexadecimal, UInt8(ascii: "E") where !isHexadecimal:
                if hasExponent { return false }
                hasExponent = true
                position += 1
                if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
                guard let next = current, Self.isDigit(next) else { return false }
            case UInt8(ascii: "_"):
                position += 1
                guard let next = current, isDigit(next) else { return false }
            case _ where isDigit(byte): position += 1
            default: return !Self.isAlphanumeric(byte)
            }
        }
        return true
    }

    /// After the digits: a unit, then more digits with units.
    private mutating func scanDurationUnits() -> Bool {
        guard position > 0, Self.isDigit(bytes[position - 1]) else { return false }
        var isFirst = true
        while true {
            guard let unit = current, "smhdw".utf8.contains(unit) || (isFirst && unit == UInt8(ascii: "y")) else {
                return false
            }
            isFirst = false
            position += 1
            if current == UInt8(ascii: "s") { position += 1 }
            guard let next = current, Self.isDigit(next) else { break }
            while let digit = current, Self.isDigit(digit) { position += 1 }
        }
        return current.map { !Self.isAlphanumeric($0) } ?? true
    }
}
