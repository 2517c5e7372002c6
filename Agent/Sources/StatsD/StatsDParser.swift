public import Telemetry

/// What the type of a StatsD metric asks for.
public enum StatsDKind: UInt8, Sendable {
    case counter, gauge, timer, histogram, set
}

/// One metric line, read.
public struct StatsDMetric: Sendable, Equatable {
    public enum Value: Sendable, Equatable {
        case number(Double)
        /// A gauge's `+3` or `-3`.
        case delta(Double)
        /// A set's member.
        case member([UInt8])
    }
    /// As Prometheus writes it, without the suffix of its kind.
    public var name: String
    /// Sorted by name.
    public var labels: [Label]
    public var kind: StatsDKind
    public var values: [Value]
    /// 0 < rate ≤ 1: the share of events that were sent.
    public var rate: Double

    public init(name: String, labels: [Label], kind: StatsDKind, values: [Value], rate: Double) {
        self.name = name
        self.labels = labels
        self.kind = kind
        self.values = values
        self.rate = rate
    }
}

/// Reads StatsD as its dialects write it: `name:value|type|@rate|#tag:value,…`.
///
/// * types: `c` counter, `g` gauge, `ms` timer, `h` and `d` histogram, `s` set;
/// * several values, `name:1:2:3|c` (DogStatsD 1.1), except for sets, whose members may hold colons;
/// * tags: DogStatsD's `#a:b,c`, InfluxDB's `name,a=b`, Graphite's `name;a=b`, Librato's `name#a=b`; a tag without a
///   value is `true`; of two equal names the last one counts;
/// * DogStatsD's container id, timestamp, external data and cardinality sections are passed over; its events and
///   service checks are ``DropReason/unsupported``.
///
/// Total on any bytes.
/// - Complexity: linear in the bytes.
public enum StatsDParser {
    /// Of one line; a UDP packet holds several.
    public static let lineBytesMax = 8192
    public static let valuesMax = 1024
    public static let labelsMax = 32

    /// Reads a packet: metrics on lines of their own.
    public static func parse(_ packet: UnsafeRawBufferPointer, _ take: (Result<StatsDMetric, Refusal>) -> Void) {
        var start = 0
        while start < packet.count {
            var end = start
            while end < packet.count, packet[end] != 0x0a { end += 1 }
            var last = end
            if last > start, packet[last - 1] == 0x0d { last -= 1 }
            if last > start {
                let line = UnsafeRawBufferPointer(rebasing: packet[start..<last])
                do throws(Refusal) { take(.success(try metric(line[...]))) } catch { take(.failure(error)) }
            }
            start = end + 1
        }
    }

    public struct Refusal: Error, Equatable, Sendable {
        public var reason: DropReason
    }

    private typealias Bytes = Slice<UnsafeRawBufferPointer>

    private static func metric(_ line: Bytes) throws(Refusal) -> StatsDMetric {
        guard line.count <= lineBytesMax else { throw Refusal(reason: .tooLong) }
        if line.starts(with: "_e{".utf8) || line.starts(with: "_sc|".utf8) { throw Refusal(reason: .unsupported) }
        guard let bar = line.firstIndex(of: UInt8(ascii: "|")),
            let colon = line[..<bar].firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex
        else { throw Refusal(reason: .malformed) }
        var tags: [(name: Bytes, value: Bytes?)] = []
        let name = try identity(line[..<colon], &tags)
        var sections = line[bar...].dropFirst().split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false)[
            ...]
        let kind = try kind(sections.popFirst())
        var rate = 1.0
        for section in sections {
            switch section.first {
            case UInt8(ascii: "@"):
                guard let given = SourceNumber.parse(section.dropFirst()), given > 0, given <= 1 else {
                    throw Refusal(reason: .malformed)
                }
                rate = given
            case UInt8(ascii: "#"): try readTags(section.dropFirst(), UInt8(ascii: ":"), &tags)
            case UInt8(ascii: "c"), UInt8(ascii: "T"), UInt8(ascii: "e"): continue
            default: throw Refusal(reason: .malformed)
            }
        }
        let values = try values(line[colon..<bar].dropFirst(), kind)
        return StatsDMetric(name: name, labels: try labels(tags), kind: kind, values: values, rate: rate)
    }

    /// The name before the colon, with the tags that some dialects write into it.
    private static func identity(
        _ text: Bytes, _ tags: inout [(name: Bytes, value: Bytes?)]
    ) throws(Refusal) -> String {
        var name = text
        if let mark = text.firstIndex(where: {
            $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: "#")
        }) {
            name = text[..<mark]
            let separator = text[mark] == UInt8(ascii: ";") ? UInt8(ascii: ";") : UInt8(ascii: ",")
            try readTags(text[mark...].dropFirst(), UInt8(ascii: "="), separator: separator, &tags)
        }
        guard let mapped = SourceNames.metric(name) else { throw Refusal(reason: .malformed) }
        guard !SourceNames.isReserved(mapped) else { throw Refusal(reason: .reservedName) }
        return mapped
    }

    private static func kind(_ text: Bytes?) throws(Refusal) -> StatsDKind {
        guard let text, let first = text.first else { throw Refusal(reason: .malformed) }
        switch (first, text.count) {
        case (UInt8(ascii: "c"), 1): return .counter
        case (UInt8(ascii: "g"), 1): return .gauge
        case (UInt8(ascii: "h"), 1), (UInt8(ascii: "d"), 1): return .histogram
        case (UInt8(ascii: "s"), 1): return .set
        case (UInt8(ascii: "m"), 2) where text.last == UInt8(ascii: "s"): return .timer
        default: throw Refusal(reason: .unsupported)
        }
    }

    private static func values(_ text: Bytes, _ kind: StatsDKind) throws(Refusal) -> [StatsDMetric.Value] {
        if kind == .set {
            guard !text.isEmpty else { throw Refusal(reason: .malformed) }
            return [.member(Array(text))]
        }
        var values: [StatsDMetric.Value] = []
        for part in text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false) {
            guard let number = SourceNumber.parse(part) else { throw Refusal(reason: .malformed) }
            guard values.count < valuesMax else { throw Refusal(reason: .tooLong) }
            let isSigned = part.first == UInt8(ascii: "+") || part.first == UInt8(ascii: "-")
            values.append(kind == .gauge && isSigned ? .delta(number) : .number(number))
        }
        return values
    }

    // MARK: tags

    private static func readTags(
        _ text: Bytes, _ assignment: UInt8, separator: UInt8 = UInt8(ascii: ","),
        _ tags: inout [(name: Bytes, value: Bytes?)]
    ) throws(Refusal) {
        for part in text.split(separator: separator) {
            guard tags.count < labelsMax else { throw Refusal(reason: .labelLimit) }
            if let mark = part.firstIndex(of: assignment) {
                tags.append((part[..<mark], part[mark...].dropFirst()))
            } else {
                tags.append((part, nil))
            }
        }
    }

    private static func labels(_ tags: [(name: Bytes, value: Bytes?)]) throws(Refusal) -> [Label] {
        var labels: [Label] = []
        for tag in tags {
            guard let name = SourceNames.label(tag.name) else { throw Refusal(reason: .malformed) }
            let value = tag.value.map { String(decoding: $0, as: UTF8.self) } ?? "true"
            // Replacement characters make invalid UTF-8 longer.
            guard value.utf8.count <= SeriesLimits.labelValueBytesMax else { throw Refusal(reason: .labelLimit) }
            labels.removeAll { $0.name == name }
            if !value.isEmpty { labels.append(Label(name, value)) }
        }
        return labels.sorted()
    }
}
