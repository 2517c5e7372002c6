package import RuntimeSupport

/// OpenMetrics 1.0 text of the program's own metrics.
package enum OpenMetrics {
    package static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    /// Families in order, each with its type before its samples, then `# EOF`.
    package static func text(_ readings: [OwnMetrics.Reading]) -> String {
        var text = ""
        var family = ""
        for reading in readings {
            let name = reading.key.name
            let isCounter = reading.kind == .counter
            // A counter's samples end in _total, its family does not.
            let base = isCounter && name.hasSuffix("_total") ? String(name.dropLast(6)) : name
            if base != family {
                text += "# TYPE \(base) \(reading.kind.rawValue)\n"
                family = base
            }
            text += isCounter ? "\(base)_total" : base
            let labels = stride(from: 0, to: reading.key.labels.count - 1, by: 2).map {
                "\(reading.key.labels[$0])=\"\(escape(reading.key.labels[$0 + 1]))\""
            }
            if !labels.isEmpty { text += "{\(labels.joined(separator: ","))}" }
            text += " \(number(reading.value))\n"
        }
        return text + "# EOF\n"
    }

    private static func number(_ value: Double) -> String {
        if !value.isFinite { return JSONWriter.special(value) }
        var writer = JSONWriter()
        writer.write(value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
