extension LineCursor {
    /// Which characters a backslash makes literal; before any other it is itself.
    enum InfluxEscaping {
        /// Comma and space.
        case measurement
        /// Comma, equals sign and space: tag keys, tag values, field keys.
        case key
    }

    /// Whether only a carriage return is left.
    var isLineBreak: Bool { next == 0x0d && position + 1 == bytes.count }

    /// A measurement, key or tag value, up to the next unescaped separator, which is left.
    mutating func influxText(
        endingAt separators: [UInt8], escaping: InfluxEscaping
    ) throws(InterchangeError) -> String {
        let start = position
        var hasEscapes = false
        while let byte = next, !separators.contains(byte) {
            if byte == 0x0a { throw error("a newline where none can be") }
            if byte == UInt8(ascii: "\\"), position + 1 < bytes.count,
                Self.isEscapable(bytes[position + 1], escaping)
            {
                hasEscapes = true
                position += 1
            }
            position += 1
        }
        let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<min(position, bytes.count)])
        guard raw.count <= InfluxLineParser.textBytesMax else {
            throw error("a name or value of \(raw.count) bytes; the limit is \(InfluxLineParser.textBytesMax)")
        }
        guard hasEscapes else {
            guard let text = String(validating: raw, as: UTF8.self) else { throw error("invalid UTF-8") }
            return text
        }
        var decoded: [UInt8] = []
        var index = 0
        while index < raw.count {
            if raw[index] == UInt8(ascii: "\\"), index + 1 < raw.count, Self.isEscapable(raw[index + 1], escaping) {
                index += 1
            }
            decoded.append(raw[index])
            index += 1
        }
        guard let text = String(validating: decoded, as: UTF8.self) else { throw error("invalid UTF-8") }
        return text
    }

    private static func isEscapable(_ byte: UInt8, _ escaping: InfluxEscaping) -> Bool {
        switch byte {
        case UInt8(ascii: ","), 0x20: true
        case UInt8(ascii: "="): escaping == .key
        default: false
        }
    }

    /// A field's value, up to the comma, blank or end behind it.
    /// - Returns: nil for a string.
    mutating func influxValue(of name: String) throws(InterchangeError) -> Double? {
        if next == UInt8(ascii: "\"") {
            try skipInfluxString(of: name)
            return nil
        }
        let text = token { $0 == UInt8(ascii: ",") || $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
        guard let value = Self.influxNumber(text) else {
            let shown = String(decoding: text.prefix(40), as: UTF8.self)
            throw error(
                text.isEmpty ? "field \"\(name)\" has no value" : "field \"\(name)\": \"\(shown)\" is no field value")
        }
        return value
    }

    private mutating func skipInfluxString(of name: String) throws(InterchangeError) {
        position += 1
        let start = position
        while let byte = next, byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") { position += 1 }
            position += 1
        }
        guard position < bytes.count else { throw error("field \"\(name)\": the string is not closed") }
        let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
        guard raw.count <= InfluxLineParser.textBytesMax else {
            throw error(
                "field \"\(name)\": a string of \(raw.count) bytes; the limit is "
                    + "\(InfluxLineParser.textBytesMax)")
        }
        guard String(validating: raw, as: UTF8.self) != nil else { throw error("field \"\(name)\": invalid UTF-8") }
        position += 1
        guard isAtEnd || next == UInt8(ascii: ",") || next == 0x20 || next == 0x09 || isLineBreak else {
            throw error("unexpected \(excerpt) after the string of field \"\(name)\"")
        }
    }

    /// A boolean, an integer `…i`, an unsigned `…u` or a float.
    static func influxNumber(_ text: UnsafeRawBufferPointer) -> Double? {
        guard let last = text.last else { return nil }
        if last == UInt8(ascii: "i") || last == UInt8(ascii: "u") {
            let digits = text.dropLast()
            guard digits.first != UInt8(ascii: "+") else { return nil }
            let word = String(decoding: digits, as: UTF8.self)
            if last == UInt8(ascii: "i") { return Int64(word).map { Double($0) } }
            return word.utf8.first == UInt8(ascii: "-") ? nil : UInt64(word).map { Double($0) }
        }
        switch String(decoding: text.prefix(6), as: UTF8.self) {
        case "t", "T", "true", "True", "TRUE": return 1
        case "f", "F", "false", "False", "FALSE": return 0
        default: return text.first == UInt8(ascii: "+") ? nil : NumberText.real(text)
        }
    }
}
