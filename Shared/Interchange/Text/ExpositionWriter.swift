public import Telemetry

/// Writes expositions in either text format.
///
/// Call ``family(_:)`` before the samples of each family, whose samples must stand together, then ``finish()``.
/// Characters that a name of the formats may not have become `_`. What is written of valid families is valid
/// OpenMetrics only if names, values and order follow its rules; the writer does not judge them.
public struct ExpositionWriter {
    public let format: ExpositionFormat
    public private(set) var bytes: [UInt8] = []

    public init(_ format: ExpositionFormat) { self.format = format }

    /// TYPE, UNIT (OpenMetrics only) and HELP lines.
    public mutating func family(_ family: MetricFamily) {
        let name = InfluxLineParser.prometheusName(family.name, colons: true)
        let type: String =
            switch (format, family.type) {
            case (.openMetrics, let type): type.rawValue
            case (.prometheusText, .unknown): "untyped"
            case (.prometheusText, .gaugehistogram), (.prometheusText, .histogram): "histogram"
            case (.prometheusText, .info), (.prometheusText, .stateset): "gauge"
            case (.prometheusText, let type): type.rawValue
            }
        append("# TYPE \(name) \(type)\n")
        if format == .openMetrics, !family.unit.isEmpty, name.hasSuffix("_" + family.unit) {
            append("# UNIT \(name) \(family.unit)\n")
        }
        guard !family.help.isEmpty else { return }
        append("# HELP \(name) ")
        escape(family.help, quotes: format == .openMetrics)
        append("\n")
    }

    public mutating func sample(
        _ key: SeriesKey, _ value: Double, timestampMilliseconds: Int64? = nil, exemplar: Exemplar? = nil
    ) {
        sample(name: key.name, labels: key.labels, value, timestampMilliseconds: timestampMilliseconds, exemplar)
    }

    /// - Parameter labels: written as they are, empty ones too; the name among them is passed over.
    public mutating func sample(
        name: String, labels: [Label], _ value: Double, timestampMilliseconds: Int64? = nil,
        _ exemplar: Exemplar? = nil
    ) {
        append(InfluxLineParser.prometheusName(name, colons: true))
        let labels = labels.filter { $0.name != SeriesKey.nameLabel }
        if !labels.isEmpty { append(labels) }
        append(" \(Self.number(value))")
        if let time = timestampMilliseconds { append(" \(timestamp(time))") }
        if format == .openMetrics, let exemplar {
            append(" # ")
            append(exemplar.labels)
            append(" \(Self.number(exemplar.value))")
            if let time = exemplar.timestampMilliseconds { append(" \(timestamp(time))") }
        }
        append("\n")
    }

    /// What was written since the last call, so that a long exposition goes out in pieces.
    public mutating func take() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    /// OpenMetrics' end mark; the Prometheus format has none.
    /// - Returns: all that was written and not taken.
    public mutating func finish() -> [UInt8] {
        if format == .openMetrics { append("# EOF\n") }
        return bytes
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func append(_ labels: [Label]) {
        append("{")
        for (index, label) in labels.enumerated() {
            append(index > 0 ? "," : "")
            append(InfluxLineParser.prometheusName(label.name, colons: false))
            append("=\"")
            escape(label.value, quotes: true)
            append("\"")
        }
        append("}")
    }

    private mutating func escape(_ text: String, quotes: Bool) {
        for byte in text.utf8 {
            switch byte {
            case 0x0a: append("\\n")
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\"") where quotes: append("\\\"")
            default: bytes.append(byte)
            }
        }
    }

    /// Shortest digits that read back the same.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value.description
    }

    /// Seconds with three decimals in OpenMetrics, else whole milliseconds.
    private func timestamp(_ milliseconds: Int64) -> String {
        guard format == .openMetrics else { return String(milliseconds) }
        let size = milliseconds.magnitude
        let fraction = String(size % 1000)
        let sign = milliseconds < 0 ? "-" : ""
        return "\(sign)\(size / 1000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
    }
}
