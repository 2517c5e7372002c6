import Telemetry

extension OpenMetricsParser {
    /// Code points in the label names and values of one exemplar.
    static var exemplarCodePointsMax: Int { 128 }

    mutating func readSample(_ line: LineCursor, _ cache: inout SeriesTextCache) throws(InterchangeError) {
        var cursor = line
        let key = try cursor.series(.strict, &cache)
        guard cursor.skip(UInt8(ascii: " ")) else {
            throw cursor.error("expected one space before the value instead of \(cursor.excerpt)")
        }
        let value = try Self.number(&cursor, "a value", NumberText.number)
        var time: Double?
        var exemplar: Exemplar?
        if !cursor.isAtEnd {
            try Self.separator(&cursor)
            if cursor.next != UInt8(ascii: "#") {
                time = try Self.number(&cursor, "a timestamp in seconds", NumberText.real)
                if !cursor.isAtEnd { try Self.separator(&cursor) }
            }
            if !cursor.isAtEnd { exemplar = try Self.exemplar(&cursor) }
        }
        guard exposition.samples.count < limits.samplesMax else {
            throw cursor.error("more than \(limits.samplesMax) samples")
        }
        let name = key.name
        if family?.suffix(of: name) == nil { try beginFamily(named: name, line: cursor.line) }
        let sample = OpenMetricsSample(
            name: name, key: key, value: value, time: time, exemplar: exemplar, line: cursor.line)
        try family?.add(sample, to: &exposition)
    }

    /// One space with something behind it.
    private static func separator(_ cursor: inout LineCursor) throws(InterchangeError) {
        guard cursor.skip(UInt8(ascii: " ")) else { throw cursor.error("unexpected \(cursor.excerpt)") }
        guard !cursor.isAtEnd else { throw cursor.error("a space at the end of the line") }
    }

    /// A number up to the next space or the end of the line.
    private static func number(
        _ cursor: inout LineCursor, _ what: String, _ parse: (UnsafeRawBufferPointer) -> Double?
    ) throws(InterchangeError) -> Double {
        let start = cursor
        let text = cursor.token { $0 == UInt8(ascii: " ") }
        guard let value = parse(text) else { throw start.error("expected \(what) instead of \(start.excerpt)") }
        return value
    }

    /// `# {labels} value [timestamp]` up to the end of the line; the hash is next.
    private static func exemplar(_ cursor: inout LineCursor) throws(InterchangeError) -> Exemplar {
        guard cursor.skip("# ") else { throw cursor.error("expected an exemplar, \"# {…} value\"") }
        var quotedName: String?
        let labels = try cursor.labels(.strict, metricName: &quotedName)
        let length = labels.reduce(0) { $0 + $1.name.unicodeScalars.count + $1.value.unicodeScalars.count }
        guard length <= exemplarCodePointsMax else {
            throw cursor.error("exemplar labels of \(length) characters; the limit is \(exemplarCodePointsMax)")
        }
        guard cursor.skip(UInt8(ascii: " ")) else {
            throw cursor.error("expected one space before the exemplar's value instead of \(cursor.excerpt)")
        }
        let value = try number(&cursor, "an exemplar's value", NumberText.number)
        guard !cursor.isAtEnd else { return Exemplar(labels: labels, value: value) }
        try separator(&cursor)
        let time = try number(&cursor, "an exemplar's timestamp in seconds", NumberText.real)
        guard cursor.isAtEnd else { throw cursor.error("unexpected \(cursor.excerpt) after the exemplar") }
        return Exemplar(
            labels: labels, value: value, timestampMilliseconds: NumberText.milliseconds(seconds: time))
    }
}

/// A sample line as written, before its family has judged it.
struct OpenMetricsSample {
    var name: String
    var key: SeriesKey
    var value: Double
    /// Seconds.
    var time: Double?
    var exemplar: Exemplar?
    var line: Int

    func error(_ reason: String) -> InterchangeError { InterchangeError(.line(line), reason) }
    subscript(label: String) -> String? { key[label] }
}
