import JSON
import Telemetry

/// A sample while its members are read. The last of several members with one key counts.
struct MetricDraft {
    var isWrapper = false
    var unknownFields: [String] = []
    private var name: String?
    private var value: Double?
    private var timestamp: Timestamp?
    private var type = MetricType.unknown
    private var labels: [Label] = []
    private var problems: [(field: String?, reason: String)] = []

    mutating func refuse(_ field: String?, _ reason: String) { problems.append((field, reason)) }

    mutating func read(_ key: JSONString, _ reader: inout JSONReader) throws(JSONError) {
        let field = (try? reader.decode(key)) ?? ""  // undecodable: unknown
        problems.removeAll { $0.field == field }
        let kind = try reader.peekKind()
        switch field {
        case "name": name = try string(field, kind, &reader, bytesMax: MetricLimits.nameBytesMax)
        case "value": value = try readValue(kind, &reader)
        case "timestamp": timestamp = try readTimestamp(kind, &reader)
        case "type": try readType(kind, &reader)
        case "labels": try readLabels(kind, &reader)
        default:
            if unknownFields.count < MetricDraft.unknownFieldsMax { unknownFields.append(String(field.prefix(40))) }
            try reader.skipValue()
        }
    }
    /// Unknown fields remembered for one sample.
    private static let unknownFieldsMax = 16

    /// - Throws: the sample's first fault.
    func finish(index: Int, now: Timestamp) throws(IntakeRejection) -> MetricRecord {
        func rejection(_ field: String?, _ reason: String) -> IntakeRejection {
            IntakeRejection(index: index, field: field, reason: reason)
        }
        if let problem = problems.first { throw rejection(problem.field, problem.reason) }
        guard let name, !name.isEmpty else { throw rejection("name", "missing; give the metric a name") }
        if let prefix = MetricLimits.reservedPrefixes.first(where: { name.hasPrefix($0) }) {
            throw rejection("name", "\(prefix)… is reserved for the agent; choose another prefix")
        }
        guard let value else { throw rejection("value", "missing; give a number") }
        let time = timestamp ?? now
        let age = now.milliseconds(since: time)
        guard age >= -MetricLimits.futureMillisecondsMax else {
            throw rejection("timestamp", "more than 5 minutes in the future; check the sender's clock")
        }
        guard age <= MetricLimits.pastMillisecondsMax else {
            throw rejection("timestamp", "more than an hour ago; a number here means Unix milliseconds")
        }
        let key = SeriesKey(name: name, labels: labels)
        return MetricRecord(
            descriptor: SeriesDescriptor(key: key, type: type), sample: Sample(timestamp: time, value: value))
    }

    // MARK: values

    private mutating func readValue(_ kind: JSONKind, _ reader: inout JSONReader) throws(JSONError) -> Double? {
        if kind == .number { return try reader.readNumber().doubleValue }
        if kind == .boolean { return try reader.readBoolean() ? 1 : 0 }
        guard kind == .string else {
            try reader.skipValue()
            refuse("value", "expected a number, found \(kind.name)")
            return nil
        }
        let token = try reader.scanString()
        switch (try? reader.decode(token)) ?? "" {  // undecodable: refused
        case "NaN": return .nan
        case "+Inf", "Inf": return .infinity
        case "-Inf": return -.infinity
        default:
            refuse("value", "expected a number or one of \"NaN\", \"+Inf\", \"-Inf\"")
            return nil
        }
    }

    private mutating func readTimestamp(_ kind: JSONKind, _ reader: inout JSONReader) throws(JSONError) -> Timestamp? {
        switch kind {
        case .null: try reader.readNull()
        case .number:
            if let whole = try reader.readNumber().wholeValue { return Timestamp(milliseconds: whole) }
            refuse("timestamp", "expected whole Unix milliseconds")
        case .string:
            let token = try reader.scanString()
            if let text = try? reader.decode(token), let time = InternetTime.parse(text) { return time }
            refuse("timestamp", "is no RFC 3339 time; write 2026-01-31T08:15:30.250Z or a number of milliseconds")
        default:
            try reader.skipValue()
            refuse("timestamp", "expected an RFC 3339 string or Unix milliseconds, found \(kind.name)")
        }
        return nil
    }

    private mutating func readType(_ kind: JSONKind, _ reader: inout JSONReader) throws(JSONError) {
        if kind == .null { return try reader.readNull() }
        guard let text = try string("type", kind, &reader, bytesMax: 32) else { return }
        switch text {
        case "counter": type = .counter
        case "gauge": type = .gauge
        case "histogram": type = .histogram
        case "summary": type = .summary
        case "info": type = .info
        case "stateset": type = .stateset
        case "unknown", "untyped": type = .unknown
        default: refuse("type", "use one of counter, gauge, histogram, summary, info, stateset, unknown")
        }
    }

    private mutating func readLabels(_ kind: JSONKind, _ reader: inout JSONReader) throws(JSONError) {
        labels = []
        guard kind == .object else {
            try reader.skipValue()
            return kind == .null ? () : refuse("labels", "expected an object of strings, found \(kind.name)")
        }
        try reader.enterObject()
        while let key = try reader.nextKey() {
            let valueKind = try reader.peekKind()
            let value = try string("labels", valueKind, &reader, bytesMax: SeriesLimits.labelValueBytesMax)
            guard var label = try? reader.decode(key), !label.isEmpty,
                label.utf8.count <= SeriesLimits.labelNameBytesMax
            else {
                refuse("labels", "a label's name must be 1 to \(SeriesLimits.labelNameBytesMax) bytes of valid UTF-8")
                continue
            }
            guard !label.hasPrefix("__") else {
                refuse("labels", "names that begin with two underscores are reserved")
                continue
            }
            if MetricLimits.enrolmentLabels.contains(label) { label = "exported_\(label)" }
            guard let value else { continue }
            if let index = labels.firstIndex(where: { $0.name == label }) {
                labels[index].value = value
            } else if labels.count < SeriesLimits.labelCountMax - 1 {  // the metric's name is a label too
                labels.append(Label(label, value))
            } else {
                refuse("labels", "more than \(SeriesLimits.labelCountMax - 1) labels; drop some")
            }
        }
    }

    private mutating func string(
        _ field: String, _ kind: JSONKind, _ reader: inout JSONReader, bytesMax: Int
    ) throws(JSONError) -> String? {
        guard kind == .string else {
            try reader.skipValue()
            refuse(field, "expected a string in quotes, found \(kind.name)")
            return nil
        }
        let token = try reader.scanString()
        do throws(JSONError) {
            let text = try reader.decode(token)
            if text.utf8.count <= bytesMax { return text }
            refuse(field, "longer than \(bytesMax) bytes")
        } catch {
            refuse(field, error.description)
        }
        return nil
    }
}
