/// Texts in Go's notation, since Prometheus' messages and number formats follow it.
enum GoText {
    /// `%q`: in double quotes, with what does not print escaped.
    static func quoted(_ text: String) -> String { quoted(text.unicodeScalars) }

    /// `%q` of bytes that may be no valid UTF-8: invalid bytes as `\xff`.
    static func quoted(bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return quoted(text) }
        var result = "\""
        var position = 0
        while position < bytes.count {
            var length = 1
            var scalar: Unicode.Scalar?
            for candidate in 1...min(4, bytes.count - position) {
                if let text = String(validating: bytes[position..<position + candidate], as: UTF8.self),
                    text.unicodeScalars.count == 1
                {
                    scalar = text.unicodeScalars.first
                    length = candidate
                    break
                }
            }
            if let scalar {
                result += escaped(scalar)
            } else {
                result += "\\x" + hexadecimal(UInt32(bytes[position]), digits: 2)
            }
            position += length
        }
        return result + "\""
    }

    private static func quoted(_ scalars: String.UnicodeScalarView) -> String {
        var result = "\""
        for scalar in scalars { result += escaped(scalar) }
        return result + "\""
    }

    /// A character in single quotes, `%q` of a rune.
    static func quoted(character scalar: Unicode.Scalar) -> String {
        scalar == "'" ? "'\\''" : scalar == "\"" ? "'\"'" : "'" + escaped(scalar) + "'"
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\"": return "\\\""
        case "\\": return "\\\\"
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        case "\u{7}": return "\\a"
        case "\u{8}": return "\\b"
        case "\u{c}": return "\\f"
        case "\u{b}": return "\\v"
        case " ": return " "
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control where scalar.value < 0x80: return "\\x" + hexadecimal(scalar.value, digits: 2)
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return scalar.value > 0xFFFF
                ? "\\U" + hexadecimal(scalar.value, digits: 8) : "\\u" + hexadecimal(scalar.value, digits: 4)
        default: return String(Character(scalar))
        }
    }

    private static func hexadecimal(_ value: UInt32, digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}
