import Telemetry

/// Reads the Prometheus text format 0.0.4 as leniently as Prometheus' own scraper.
///
/// Blank lines, comments, blanks between tokens, a trailing comma, metadata in any order or more than once (the last
/// one counts) and a missing last newline are fine; names in quotes are read as Prometheus 3 writes them. Refused are,
/// as there: malformed samples, unknown types, values that are no numbers, timestamps that are no whole milliseconds.
///
/// Total. The first error refuses the whole body, as a scrape fails as a whole.
/// - Complexity: linear in the bytes.
public struct PrometheusTextParser {
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private var exposition = Exposition()
    private var indexes: [String: Int] = [:]
    /// The name and family of the sample before.
    private var last = (name: "", family: 0)
    private let limits: ExpositionLimits

    private init(limits: ExpositionLimits) { self.limits = limits }

    public static func parse(
        _ bytes: [UInt8], limits: ExpositionLimits = ExpositionLimits()
    ) throws(InterchangeError) -> Exposition {
        try bytes.withBytes { bytes throws(InterchangeError) in try parse(bytes, limits: limits) }
    }

    public static func parse(
        _ bytes: UnsafeRawBufferPointer, limits: ExpositionLimits = ExpositionLimits()
    ) throws(InterchangeError) -> Exposition {
        var cache = SeriesTextCache(capacity: 0, seed: 0)
        return try parse(bytes, limits: limits, cache: &cache)
    }

    /// For bodies that come again and again: series texts in the cache cost no strings.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, limits: ExpositionLimits = ExpositionLimits(), cache: inout SeriesTextCache
    ) throws(InterchangeError) -> Exposition {
        guard bytes.count <= limits.bytesMax else {
            throw InterchangeError(.body, "\(bytes.count) bytes; the limit is \(limits.bytesMax)")
        }
        var parser = PrometheusTextParser(limits: limits)
        var lines = LineReader(bytes)
        while var line = lines.next() {
            line.skipBlanks()
            switch line.next {
            case nil, 0x0d: continue
            case UInt8(ascii: "#"): try parser.readComment(&line)
            default: try parser.readSample(&line, &cache)
            }
        }
        return parser.exposition
    }

    // MARK: metadata

    private mutating func readComment(_ line: inout LineCursor) throws(InterchangeError) {
        line.position += 1
        line.skipBlanks()
        let isType = line.skip("TYPE ") || line.skip("TYPE\t")
        guard isType || line.skip("HELP ") || line.skip("HELP\t") else { return }
        line.skipBlanks()
        let isQuoted = line.next == UInt8(ascii: "\"")
        guard let name = isQuoted ? try line.quoted() : line.name(colons: true), !name.isEmpty else {
            throw line.error("expected a metric name instead of \(line.excerpt)")
        }
        guard line.isAtEnd || line.next == 0x20 || line.next == 0x09 || line.next == 0x0d else {
            throw line.error("unexpected \(line.excerpt) after the metric name")
        }
        line.skipBlanks()
        let index = family(named: name)
        last.name = ""
        if isType {
            let word = String(decoding: line.token { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }, as: UTF8.self)
            guard let type = word == "untyped" ? .unknown : FamilyType(rawValue: word) else {
                throw line.error("\"\(word.prefix(24))\" is not a metric type")
            }
            exposition.families[index].type = type
        } else {
            exposition.families[index].help = try line.decode(line.rest, isPlain: false)
        }
    }

    private mutating func family(named name: String) -> Int {
        if let index = indexes[name] { return index }
        exposition.families.append(MetricFamily(name: name))
        indexes[name] = exposition.families.count - 1
        return exposition.families.count - 1
    }

    /// Bucket, sum and count samples belong to the family that their name without suffix declares.
    private mutating func family(of sampleName: String) -> Int {
        if let index = indexes[sampleName] { return index }
        for suffix in ["_bucket", "_sum", "_count", "_created", "_gcount", "_gsum", "_total", "_info"]
        where sampleName.hasSuffix(suffix) {
            guard let index = indexes[String(sampleName.dropLast(suffix.count))] else { continue }
            switch (exposition.families[index].type, suffix) {
            case (.histogram, "_bucket"), (.histogram, "_sum"), (.histogram, "_count"), (.histogram, "_created"),
                (.summary, "_sum"), (.summary, "_count"), (.summary, "_created"), (.counter, "_created"),
                (.gaugehistogram, "_bucket"), (.gaugehistogram, "_gcount"), (.gaugehistogram, "_gsum"),
                (.counter, "_total"), (.info, "_info"):
                return index
            default: continue
            }
        }
        return family(named: sampleName)
    }

    // MARK: samples

    private mutating func readSample(
        _ line: inout LineCursor, _ cache: inout SeriesTextCache
    ) throws(InterchangeError) {
        let key = try line.series(.lenient, &cache)
        line.skipBlanks()
        let valueStart = line
        func isEnd(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
        guard let value = NumberText.number(line.token(until: isEnd)) else {
            throw valueStart.error("expected a value instead of \(valueStart.excerpt)")
        }
        line.skipBlanks()
        var timestamp: Int64?
        if !line.isAtEnd, line.next != 0x0d {
            let text = line.token(until: isEnd)
            timestamp = Int64(String(decoding: text, as: UTF8.self))
            guard timestamp != nil else {
                throw line.error("expected whole milliseconds instead of \"\(String(decoding: text, as: UTF8.self))\"")
            }
            line.skipBlanks()
        }
        _ = line.skip(0x0d)
        guard line.isAtEnd else { throw line.error("unexpected \(line.excerpt) after the sample") }
        guard exposition.samples.count < limits.samplesMax else {
            throw line.error("more than \(limits.samplesMax) samples")
        }
        // The name of a key is its first label, or close to it.
        let name = key.name
        if exposition.samples.isEmpty || last.name != name { last = (name, family(of: name)) }
        exposition.samples.append(
            ExpositionSample(family: last.family, key: key, value: value, timestampMilliseconds: timestamp))
    }
}
