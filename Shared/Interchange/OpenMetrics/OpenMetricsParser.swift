/// Reads the OpenMetrics 1.0 text format as strictly as its specification.
///
/// What the specification's MUSTs and its ABNF say is enforced: line structure, escaping, number grammar, metadata
/// before samples and once, unique family names that cannot clash in their sample names, no interleaving of families,
/// metrics and points, the values and labels that each type demands, exemplars. Two leniencies that the
/// specification asks for: numbers in `le` and `quantile` need not be in canonical form (except that infinity must be
/// written `+Inf`, being a MUST), and samples that repeat a series and a timestamp are taken once, the first wins,
/// because a timestamp may have been truncated.
///
/// Total: any bytes give an ``Exposition`` or an ``InterchangeError``. "Partial or invalid expositions MUST be
/// considered erroneous in their entirety", so nothing is returned beside an error.
/// - Complexity: linear in the bytes, some microseconds per sample: strings and a hash of every label set.
public struct OpenMetricsParser {
    /// The content type of what this parser reads.
    public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    var exposition = Exposition()
    var family: OpenMetricsFamily?
    /// Names that families before may use for themselves and for their samples.
    var takenNames = Set<String>()
    let limits: ExpositionLimits

    init(limits: ExpositionLimits) { self.limits = limits }

    /// - Throws: the first thing wrong with the text, with its line.
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
        var parser = OpenMetricsParser(limits: limits)
        var lines = LineReader(bytes)
        var isComplete = false
        while let line = lines.next() {
            guard !isComplete else { throw line.error("text after \"# EOF\"") }
            var cursor = line
            if cursor.skip("# EOF"), cursor.isAtEnd {
                isComplete = true
            } else {
                try parser.read(line, &cache)
            }
        }
        guard isComplete else { throw InterchangeError(.line(lines.line + 1), "the text ends without \"# EOF\"") }
        try parser.finishFamily()
        return parser.exposition
    }

    private mutating func read(_ line: LineCursor, _ cache: inout SeriesTextCache) throws(InterchangeError) {
        switch line.next {
        case nil: throw line.error("blank line")
        case UInt8(ascii: "#"): try readMetadata(line)
        default: try readSample(line, &cache)
        }
    }

    // MARK: metadata

    private mutating func readMetadata(_ line: LineCursor) throws(InterchangeError) {
        var cursor = line
        guard cursor.skip("# ") else { throw cursor.error("a line that starts with \"#\" must be \"# TYPE …\"") }
        let word: Metadata
        if cursor.skip("TYPE ") {
            word = .type
        } else if cursor.skip("HELP ") {
            word = .help
        } else if cursor.skip("UNIT ") {
            word = .unit
        } else {
            throw cursor.error("expected TYPE, UNIT, HELP or EOF and a space instead of \(cursor.excerpt)")
        }
        guard let name = cursor.name(colons: true) else {
            throw cursor.error("expected a metric name instead of \(cursor.excerpt)")
        }
        guard cursor.skip(UInt8(ascii: " ")) else {
            throw cursor.error("expected one space after \"\(name)\" instead of \(cursor.excerpt)")
        }
        if family?.name != name { try beginFamily(named: name, line: cursor.line) }
        guard family?.sampleCount == 0 else { throw cursor.error("metadata of \"\(name)\" after its samples") }
        switch word {
        case .type: try readType(cursor)
        case .help: try readHelp(cursor)
        case .unit: try readUnit(cursor)
        }
    }

    private enum Metadata { case type, help, unit }

    private mutating func readType(_ cursor: LineCursor) throws(InterchangeError) {
        let text = String(decoding: cursor.rest, as: UTF8.self)
        guard let type = FamilyType(rawValue: text) else {
            throw cursor.error("\(cursor.excerpt) is not a metric type")
        }
        guard family?.hasType == false else { throw cursor.error("a second TYPE for one metric family") }
        family?.setType(type)
    }

    private mutating func readHelp(_ cursor: LineCursor) throws(InterchangeError) {
        guard family?.hasHelp == false else { throw cursor.error("a second HELP for one metric family") }
        var isPlain = true
        var index = cursor.position
        while index < cursor.bytes.count {
            switch cursor.bytes[index] {
            case UInt8(ascii: "\\"):
                isPlain = false
                index += 1
                guard index < cursor.bytes.count else { throw cursor.error("a single backslash at the end of HELP") }
            case UInt8(ascii: "\""): throw cursor.error("a double quote in HELP must be written \\\"")
            default: break
            }
            index += 1
        }
        // The ABNF lets a carriage return into a text, but line endings MUST NOT contain one.
        guard cursor.bytes.last != 0x0d else { throw cursor.error("the line ends with a carriage return") }
        let help = try cursor.decode(cursor.rest, isPlain: isPlain)
        family?.hasHelp = true
        family?.metadata.help = help
    }

    private mutating func readUnit(_ cursor: LineCursor) throws(InterchangeError) {
        guard family?.hasUnit == false else { throw cursor.error("a second UNIT for one metric family") }
        for byte in cursor.rest where !LineCursor.isNameByte(byte, isFirst: false, colons: true) {
            throw cursor.error("\(cursor.excerpt) is not a unit")
        }
        family?.hasUnit = true
        family?.metadata.unit = String(decoding: cursor.rest, as: UTF8.self)
    }

    // MARK: families

    mutating func beginFamily(named name: String, line: Int) throws(InterchangeError) {
        try finishFamily()
        family = OpenMetricsFamily(name: name, line: line, index: exposition.families.count)
    }

    /// Checks what can be said only once a family is complete, and adds it.
    mutating func finishFamily() throws(InterchangeError) {
        guard var done = family else { return }
        family = nil
        try done.finish(&exposition)
        for suffix in done.reservedSuffixes {
            let name = done.name + suffix
            guard takenNames.insert(name).inserted else {
                throw InterchangeError(.line(done.line), "the name \"\(name)\" clashes with an earlier metric family")
            }
        }
        exposition.families.append(done.metadata)
    }
}
