package import RuntimeSupport

/// The agent's own readings in Prometheus' text format.
package enum MetricsText {
    package static func render(_ readings: [OwnMetrics.Reading]) -> String {
        var text = ""
        var name = ""
        for reading in readings {
            if reading.key.name != name {
                name = reading.key.name
                text += "# TYPE \(name) \(reading.kind.rawValue)\n"
            }
            text += name
            let labels = reading.key.labels
            if !labels.isEmpty {
                let pairs = stride(from: 0, to: labels.count - 1, by: 2).map {
                    "\(labels[$0])=\"\(escape(labels[$0 + 1]))\""
                }
                text += "{" + pairs.joined(separator: ",") + "}"
            }
            text += " \(format(reading.value))\n"
        }
        return text
    }

    private static func format(_ value: Double) -> String {
        Int64(exactly: value).map { String($0) } ?? "\(value)"
    }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
