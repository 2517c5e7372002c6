import Telemetry

extension LineCursor {
    /// How strictly a label set is read.
    enum LabelGrammar {
        /// OpenMetrics' ABNF: no blanks, no trailing comma.
        case strict
        /// Prometheus' text format: blanks between tokens, a trailing comma; names in quotes, as Prometheus 3 writes
        /// names that are not `[a-zA-Z_][a-zA-Z0-9_]*`, a name without a value being the metric's.
        case lenient
    }

    /// Reads `{name="value",…}`; the opening brace is next.
    ///
    /// - Parameter metricName: set by a quoted metric name inside the braces (lenient only).
    mutating func labels(_ grammar: LabelGrammar, metricName: inout String?) throws(InterchangeError) -> [Label] {
        guard skip(UInt8(ascii: "{")) else { throw error("expected \"{\" instead of \(excerpt)") }
        var labels: [Label] = []
        if grammar == .lenient { skipBlanks() }
        if skip(UInt8(ascii: "}")) { return labels }
        while true {
            if let label = try label(grammar, metricName: &metricName) { labels.append(label) }
            guard labels.count <= ExpositionLimits.labelsMax else {
                throw error("more than \(ExpositionLimits.labelsMax) labels")
            }
            if grammar == .lenient { skipBlanks() }
            if skip(UInt8(ascii: "}")) { break }
            guard skip(UInt8(ascii: ",")) else { throw error("expected \",\" or \"}\" instead of \(excerpt)") }
            guard grammar == .lenient else { continue }
            skipBlanks()
            if skip(UInt8(ascii: "}")) { break }
        }
        if let name = Self.repeated(labels) { throw error("label \"\(name)\" is given twice") }
        return labels
    }

    private mutating func label(
        _ grammar: LabelGrammar, metricName: inout String?
    ) throws(InterchangeError) -> Label? {
        let name: String
        if grammar == .lenient, next == UInt8(ascii: "\"") {
            name = try quoted()
            skipBlanks()
            if next != UInt8(ascii: "=") {
                guard metricName == nil, !name.isEmpty else { throw error("expected \"=\" instead of \(excerpt)") }
                metricName = name
                return nil
            }
        } else {
            guard let plain = self.name(colons: false) else {
                throw error("expected a label name instead of \(excerpt)")
            }
            name = plain
        }
        guard name != SeriesKey.nameLabel else { throw error("label \"\(name)\" is reserved for the metric's name") }
        if grammar == .lenient { skipBlanks() }
        guard skip(UInt8(ascii: "=")) else {
            throw error("expected \"=\" after label \"\(name)\" instead of \(excerpt)")
        }
        if grammar == .lenient { skipBlanks() }
        return Label(name, try quoted())
    }

    /// Reads a string in double quotes.
    mutating func quoted() throws(InterchangeError) -> String {
        guard skip(UInt8(ascii: "\"")) else { throw error("expected a value in double quotes instead of \(excerpt)") }
        let start = position
        var isPlain = true
        while let byte = next, byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") {
                isPlain = false
                position += 1
            }
            position += 1
        }
        guard position < bytes.count else {
            position = bytes.count
            throw error("a quoted value is not closed")
        }
        let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
        position += 1
        return try decode(raw, isPlain: isPlain)
    }

    /// Resolves `\n`, `\"` and `\\`; a backslash before anything else stays, as OpenMetrics' ABNF allows.
    func decode(_ raw: UnsafeRawBufferPointer, isPlain: Bool) throws(InterchangeError) -> String {
        if isPlain {
            guard let text = String(validating: raw, as: UTF8.self) else { throw error("invalid UTF-8") }
            return text
        }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(raw.count)
        var index = 0
        while index < raw.count {
            let byte = raw[index]
            index += 1
            guard byte == UInt8(ascii: "\\"), index < raw.count else {
                decoded.append(byte)
                continue
            }
            switch raw[index] {
            case UInt8(ascii: "n"): decoded.append(0x0a)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): decoded.append(raw[index])
            default:
                decoded.append(byte)
                decoded.append(raw[index])
            }
            index += 1
        }
        guard let text = String(validating: decoded, as: UTF8.self) else { throw error("invalid UTF-8") }
        return text
    }

    /// A name that stands more than once.
    static func repeated(_ labels: [Label]) -> String? {
        if labels.count <= 16 {
            for index in labels.indices.dropFirst() {
                for earlier in 0..<index where labels[earlier].name == labels[index].name { return labels[index].name }
            }
            return nil
        }
        var seen = Set<String>()
        return labels.first { !seen.insert($0.name).inserted }?.name
    }
}
