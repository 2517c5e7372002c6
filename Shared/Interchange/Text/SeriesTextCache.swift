import Telemetry

/// Remembers what the series texts of earlier expositions meant, for those who read the same target again and again.
///
/// A known `name{labels}` then costs a hash and a lookup instead of its strings. Keep one per target or one for all;
/// at `capacity` it is emptied. Not thread-safe: its owner's thread only.
/// - Complexity: about 40 bytes per series beside the keys themselves.
public struct SeriesTextCache: Sendable {
    private let hasher: SeriesHasher
    private var numbers: SeriesNumberCache
    private var keys: [SeriesKey] = []
    /// 0: nothing is remembered.
    public let capacity: Int

    /// - Parameter seed: secret and random, so that nobody can make texts that collide.
    public init(capacity: Int = 100_000, seed: UInt64 = UInt64.random(in: .min ... .max)) {
        self.capacity = max(0, capacity)
        hasher = SeriesHasher(seed: seed)
        numbers = SeriesNumberCache(capacity: self.capacity)
    }

    public var count: Int { keys.count }

    func fingerprint(_ text: UnsafeRawBufferPointer, _ grammar: LineCursor.LabelGrammar) -> SeriesFingerprint {
        hasher.fingerprint(text, domain: grammar == .strict ? 4 : 5)
    }

    mutating func key(of fingerprint: SeriesFingerprint) -> SeriesKey? {
        numbers.number(of: fingerprint).map { keys[Int($0)] }
    }

    mutating func insert(_ fingerprint: SeriesFingerprint, _ key: SeriesKey) {
        if keys.count >= capacity {
            keys.removeAll(keepingCapacity: true)
            numbers.removeAll()
        }
        keys.append(key)
        numbers.insert(fingerprint, UInt32(keys.count - 1))
    }
}

extension LineCursor {
    /// Reads `name`, `name{…}` or (lenient) `{"name",…}`.
    mutating func series(
        _ grammar: LabelGrammar, _ cache: inout SeriesTextCache
    ) throws(InterchangeError) -> SeriesKey {
        guard cache.capacity > 0 else { return try readSeries(grammar) }
        let end = seriesEnd()
        let text = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
        let fingerprint = cache.fingerprint(text, grammar)
        if let known = cache.key(of: fingerprint) {
            position = end
            return known
        }
        let key = try readSeries(grammar)
        // Where the quick look and the grammar disagree, nothing is remembered.
        if position == end { cache.insert(fingerprint, key) }
        return key
    }

    private mutating func readSeries(_ grammar: LabelGrammar) throws(InterchangeError) -> SeriesKey {
        var name = name(colons: true)
        if grammar == .strict, name == nil { throw error("expected a metric name instead of \(excerpt)") }
        let nameEnd = position
        if grammar == .lenient { skipBlanks() }
        guard next == UInt8(ascii: "{") else {
            position = nameEnd
            guard let name else { throw error("expected a metric name instead of \(excerpt)") }
            return SeriesKey(name: name)
        }
        let labels = try labels(grammar, metricName: &name)
        guard let name else { throw error("expected a metric name instead of \(excerpt)") }
        return SeriesKey(name: name, labels: labels)
    }

    /// Where the series' text ends: behind the brace that closes its labels, else before the first blank.
    private func seriesEnd() -> Int {
        var index = position
        while index < bytes.count, bytes[index] != UInt8(ascii: "{") {
            if bytes[index] == 0x20 || bytes[index] == 0x09 { return index }
            index += 1
        }
        var isQuoted = false
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\\") where isQuoted: index += 1
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "}") where !isQuoted: return index + 1
            default: break
            }
            index += 1
        }
        return bytes.count
    }
}
