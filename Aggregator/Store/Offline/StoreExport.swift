import Telemetry

/// Samples as JSON lines, one for each series:
///
///     {"metric":{"__name__":"up","job":"a"},"type":"gauge","timestamps":[1767225600000],"values":[1.0]}
///
/// Timestamps are milliseconds. Values that JSON has no numbers for are texts: `"NaN"`, `"+Inf"`, `"-Inf"`, and
/// `"stale"` for Prometheus' marker that a series has ended.
package enum StoreExport {
    package static func line(_ series: SeriesSamples) -> String {
        var text = "{\"metric\":{"
        let descriptor = series.series.descriptor
        text += descriptor.key.labels.map { "\(quoted($0.name)):\(quoted($0.value))" }.joined(separator: ",")
        text += "},\"type\":\"\(descriptor.type)\",\"timestamps\":["
        text += series.timestamps.map { String($0) }.joined(separator: ",")
        text += "],\"values\":["
        text += series.values.map(number).joined(separator: ",")
        text += "]}\n"
        return text
    }

    /// The value of such a text; nil for others.
    package static func value(named text: String) -> Double? {
        switch text {
        case "NaN": .nan
        case "+Inf": .infinity
        case "-Inf": -.infinity
        case "stale": Double(bitPattern: RollupWindow.stalenessBits)
        default: nil
        }
    }

    private static func number(_ value: Double) -> String {
        if value.isFinite { return value.description }
        if value.bitPattern == RollupWindow.stalenessBits { return "\"stale\"" }
        return value.isNaN ? "\"NaN\"" : value > 0 ? "\"+Inf\"" : "\"-Inf\""
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
