public import Telemetry

/// Reads InfluxDB's line protocol, `measurement[,tag=value…] field=value[,field=value…] [timestamp]`.
///
/// Each line stands for itself: a bad one is counted and reported with its number and reason, the others are taken.
/// Names become Prometheus names: the metric is `measurement_field`, characters outside `[a-zA-Z0-9_:]` (labels:
/// without the colon) become `_`. Integers and unsigned become float64, booleans 1 and 0, strings are counted only.
///
/// Total.
/// - Complexity: linear in the bytes; each field costs the strings of its labels' array once per line.
public struct InfluxLineParser {
    public struct Options: Sendable {
        public var precision: InfluxPrecision
        /// As the specification says: a newline always ends the line, and names that begin with `_` are reserved.
        /// Otherwise newlines in quoted strings and such names are taken, since Telegraf sends both.
        public var isStrict: Bool
        /// Labels for every series that a tag does not give, such as `db`.
        public var labels: [Label]

        public init(precision: InfluxPrecision = .nanoseconds, isStrict: Bool = false, labels: [Label] = []) {
            self.precision = precision
            self.isStrict = isStrict
            self.labels = labels
        }
    }

    /// Of one measurement, key, tag value or string; the specification's limit.
    public static let textBytesMax = 64 << 10
    public static let tagsMax = 256
    public static let fieldsMax = 4096
    /// Of one body; points beyond it are refused, each with an error.
    public static let samplesMax = 2_000_000

    private let options: Options
    private var batch = InfluxBatch()

    public static func parse(_ bytes: [UInt8], options: Options = Options()) -> InfluxBatch {
        bytes.withUnsafeBytes { parse($0, options: options) }
    }

    public static func parse(_ bytes: UnsafeRawBufferPointer, options: Options = Options()) -> InfluxBatch {
        var parser = InfluxLineParser(options: options)
        var position = 0
        var line = 0
        while position < bytes.count {
            let end = parser.lineEnd(bytes, from: position)
            let contents = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
            line += 1
            parser.read(LineCursor(contents, line: line))
            line += contents.reduce(0) { $1 == 0x0a ? $0 + 1 : $0 }
            position = end + 1
        }
        return parser.batch
    }

    private init(options: Options) { self.options = options }

    /// The next newline that is not in a quoted string value, or the end of the body.
    private func lineEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var index = start
        var isQuoted = false
        var previous: UInt8 = 0
        // Quotes mean something only as the beginning of a field's value.
        var isComment = true
        while index < bytes.count {
            let byte = bytes[index]
            if isQuoted {
                if byte == UInt8(ascii: "\\") { index += 1 } else if byte == UInt8(ascii: "\"") { isQuoted = false }
            } else if byte == 0x0a {
                return index
            } else if byte == UInt8(ascii: "#"), isComment {
                while index < bytes.count, bytes[index] != 0x0a { index += 1 }
                return index
            } else if byte == UInt8(ascii: "\""), previous == UInt8(ascii: "="), !options.isStrict {
                isQuoted = true
            }
            if byte != 0x20, byte != 0x09 { isComment = false }
            previous = byte
            index += 1
        }
        return min(index, bytes.count)
    }

    private mutating func read(_ line: LineCursor) {
        var line = line
        line.skipBlanks()
        guard let first = line.next, first != UInt8(ascii: "#"), !line.isLineBreak else { return }
        let start = batch.samples.count
        let skipped = batch.skippedStringCount
        do throws(InterchangeError) {
            try readPoint(&line)
            batch.pointCount += 1
        } catch {
            batch.samples.removeSubrange(start...)
            batch.skippedStringCount = skipped
            batch.errorCount += 1
            if batch.errors.count < InfluxBatch.errorsMax { batch.errors.append(error) }
        }
    }

    // MARK: one point

    private mutating func readPoint(_ line: inout LineCursor) throws(InterchangeError) {
        let measurement = try line.influxText(endingAt: [UInt8(ascii: ","), 0x20], escaping: .measurement)
        guard !measurement.isEmpty else { throw line.error("the measurement is missing") }
        try checkName(measurement, "measurement", line)
        var labels: [Label] = []
        while line.skip(UInt8(ascii: ",")) {
            let label = try readTag(&line)
            guard !labels.contains(where: { $0.name == label.name }) else {
                throw line.error("tag \"\(label.name)\" is given twice")
            }
            labels.append(label)
            guard labels.count <= Self.tagsMax else { throw line.error("more than \(Self.tagsMax) tags") }
        }
        guard line.next == 0x20 else { throw line.error("the fields are missing") }
        line.skipBlanks()
        for index in labels.indices { labels[index].name = Self.prometheusName(labels[index].name, colons: false) }
        labels.append(contentsOf: options.labels)
        let start = batch.samples.count
        try readFields(&line, measurement: measurement, labels: labels)
        let timestamp = try readTimestamp(&line)
        for index in start..<batch.samples.count { batch.samples[index].timestampMilliseconds = timestamp }
    }

    private func readTag(_ line: inout LineCursor) throws(InterchangeError) -> Label {
        let separators: [UInt8] = [UInt8(ascii: ","), UInt8(ascii: "="), 0x20]
        let name = try line.influxText(endingAt: separators, escaping: .key)
        guard !name.isEmpty else { throw line.error("a tag without a key") }
        try checkName(name, "tag key", line)
        guard line.skip(UInt8(ascii: "=")) else { throw line.error("tag \"\(name)\" has no value") }
        let value = try line.influxText(endingAt: separators, escaping: .key)
        guard !value.isEmpty else { throw line.error("the value of tag \"\(name)\" is empty") }
        guard line.next != UInt8(ascii: "=") else {
            throw line.error("\"=\" in the value of tag \"\(name)\" must be written \\=")
        }
        guard name != SeriesKey.nameLabel else { throw line.error("tag key \"\(name)\" is reserved") }
        return Label(name, value)
    }

    private mutating func readFields(
        _ line: inout LineCursor, measurement: String, labels: [Label]
    ) throws(InterchangeError) {
        let separators: [UInt8] = [UInt8(ascii: ","), UInt8(ascii: "="), 0x20]
        var count = 0
        repeat {
            let name = try line.influxText(endingAt: separators, escaping: .key)
            guard !name.isEmpty else { throw line.error("a field without a key, instead of \(line.excerpt)") }
            try checkName(name, "field key", line)
            guard line.skip(UInt8(ascii: "=")) else { throw line.error("field \"\(name)\" has no value") }
            count += 1
            guard count <= Self.fieldsMax else { throw line.error("more than \(Self.fieldsMax) fields") }
            if let value = try line.influxValue(of: name) {
                guard batch.samples.count < Self.samplesMax else {
                    throw line.error("more than \(Self.samplesMax) values in one body")
                }
                let metric = Self.prometheusName("\(measurement)_\(name)", colons: true)
                batch.samples.append(.init(key: SeriesKey(name: metric, labels: labels), value: value))
            } else {
                batch.skippedStringCount += 1
            }
        } while line.skip(UInt8(ascii: ","))
    }

    private func readTimestamp(_ line: inout LineCursor) throws(InterchangeError) -> Int64? {
        line.skipBlanks()
        if line.isAtEnd || line.isLineBreak { return nil }
        let token = line.token { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
        let text = String(decoding: token, as: UTF8.self)
        guard text.utf8.first != UInt8(ascii: "+"), let value = Int64(text) else {
            throw line.error("the timestamp \"\(text.prefix(40))\" is not a whole number")
        }
        guard let milliseconds = options.precision.milliseconds(value) else {
            throw line.error("the timestamp \(value) is out of range")
        }
        line.skipBlanks()
        guard line.isAtEnd || line.isLineBreak else {
            throw line.error("unexpected \(line.excerpt) after the timestamp")
        }
        return milliseconds
    }

    // MARK: names

    private func checkName(_ name: String, _ what: String, _ line: LineCursor) throws(InterchangeError) {
        guard options.isStrict, name.utf8.first == UInt8(ascii: "_") else { return }
        throw line.error("\(what) \"\(name.prefix(40))\" begins with an underscore, which is reserved")
    }

    /// Bytes that a Prometheus name may not have become `_`.
    static func prometheusName(_ name: String, colons: Bool) -> String {
        var isFirst = true
        var isClean = true
        for byte in name.utf8 {
            if !LineCursor.isNameByte(byte, isFirst: isFirst, colons: colons) { isClean = false }
            isFirst = false
        }
        if isClean { return name }
        var bytes: [UInt8] = []
        for scalar in name.unicodeScalars {
            let byte = scalar.isASCII ? UInt8(scalar.value) : 0
            if bytes.isEmpty, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { bytes.append(UInt8(ascii: "_")) }
            bytes.append(
                LineCursor.isNameByte(byte, isFirst: bytes.isEmpty, colons: colons) ? byte : UInt8(ascii: "_"))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
