public import Telemetry

/// Adds StatsD metrics up between two reports.
///
/// | StatsD | becomes |
/// | --- | --- |
/// | counter | `name_total`, a counter that grows as long as the series lives; a sampled event counts 1/rate |
/// | gauge | `name`, which keeps its last value; `+3` and `-3` change it, from 0 if it is new |
/// | timer (ms) | a summary `name_seconds`: `_sum` and `_count` grow, quantiles are of the interval, NaN without values |
/// | histogram | the same as `name`, in its own unit |
/// | set | a gauge `name`: different members in the interval |
///
/// A series that got nothing for ``idleMillisecondsMax`` is forgotten; its next value starts it anew.
/// Bounds: `seriesMax` StatsD series, ``setMembersMax`` members of a set.
public struct StatsDAggregate: Sendable {
    public static let idleMillisecondsMax: Int64 = 3_600_000
    /// Eight bytes each; members are known by a keyed 64-bit hash.
    public static let setMembersMax = 10_000

    fileprivate struct Identity: Hashable, Sendable {
        var kind: StatsDKind
        var name: String
        var labels: [Label]
    }
    fileprivate struct Entry: Sendable {
        var identity: Identity
        var keys: [SeriesKey]
        /// A counter's total, a gauge's value, a summary's sum.
        var value = 0.0
        /// A summary's count.
        var count = 0.0
        var sketch = QuantileSketch()
        var members = Set<Int>()
        var startMilliseconds: Int64
        var lastMilliseconds: Int64
    }

    private var entries: [Entry] = []
    private var positions: [Identity: Int] = [:]
    private let seriesMax: Int
    public private(set) var drops = DropCounts()
    /// Metrics taken since the last report.
    public private(set) var taken = 0

    /// - Parameter seriesMax: StatsD series; a summary counts as one.
    public init(seriesMax: Int) { self.seriesMax = seriesMax }

    public var seriesCount: Int { entries.count }

    public mutating func add(packet: UnsafeRawBufferPointer, now: Timestamp) {
        StatsDParser.parse(packet) { result in
            switch result {
            case .success(let metric): add(metric, now: now)
            case .failure(let refusal): drops.add(refusal.reason)
            }
        }
    }

    public mutating func add(_ metric: StatsDMetric, now: Timestamp) {
        let identity = Identity(kind: metric.kind, name: metric.name, labels: metric.labels)
        guard let position = positions[identity] ?? append(identity, now) else { return drops.add(.seriesLimit) }
        let excess = entries[position].take(metric, now)
        drops.add(.setMembers, excess)
        taken += 1
    }

    private mutating func append(_ identity: Identity, _ now: Timestamp) -> Int? {
        guard entries.count < seriesMax else { return nil }
        positions[identity] = entries.count
        entries.append(
            Entry(
                identity: identity, keys: Self.keys(identity), startMilliseconds: now.milliseconds,
                lastMilliseconds: now.milliseconds))
        return entries.count - 1
    }

    /// What stands at the end of an interval; quantiles and sets begin anew.
    public mutating func report(now: Timestamp) -> [SourceReading] {
        let oldest = now.advanced(byMilliseconds: -Self.idleMillisecondsMax).milliseconds
        if entries.contains(where: { $0.lastMilliseconds <= oldest }) {
            entries.removeAll { $0.lastMilliseconds <= oldest }
            positions = [:]
            for (position, entry) in entries.enumerated() { positions[entry.identity] = position }
        }
        var readings: [SourceReading] = []
        readings.reserveCapacity(entries.count * 2)
        for position in entries.indices { entries[position].report(into: &readings) }
        return readings
    }

    public mutating func takeDrops() -> DropCounts { drops.take() }
    public mutating func takeTaken() -> Int {
        defer { taken = 0 }
        return taken
    }

    private static func keys(_ identity: Identity) -> [SeriesKey] {
        let (name, labels) = (identity.name, identity.labels)
        switch identity.kind {
        case .counter: return [SeriesKey(name: name.hasSuffix("_total") ? name : name + "_total", labels: labels)]
        case .gauge, .set: return [SeriesKey(name: name, labels: labels)]
        case .timer, .histogram:
            let isNamed = identity.kind == .histogram || name.hasSuffix("_seconds")
            return SummaryReadings.keys(isNamed ? name : name + "_seconds", labels)
        }
    }
}

extension StatsDAggregate.Entry {
    /// - Returns: how many members a full set refused.
    fileprivate mutating func take(_ metric: StatsDMetric, _ now: Timestamp) -> Int {
        lastMilliseconds = now.milliseconds
        var refused = 0
        for value in metric.values {
            switch value {
            case .number(let number): take(number, weight: 1 / metric.rate)
            case .delta(let change): self.value += change
            case .member(let bytes):
                let member = bytes.hashValue
                if members.count < StatsDAggregate.setMembersMax {
                    members.insert(member)
                } else if !members.contains(member) {
                    refused += 1
                }
            }
        }
        return refused
    }

    private mutating func take(_ number: Double, weight: Double) {
        switch identity.kind {
        // A counter never goes down: what a client takes back is left out.
        case .counter: if number > 0 { value += number * weight }
        case .gauge: value = number
        case .timer, .histogram:
            let measured = identity.kind == .timer ? number / 1000 : number
            value += measured * weight
            count += weight
            sketch.add(measured, weight: weight)
        case .set: break
        }
    }

    fileprivate mutating func report(into readings: inout [SourceReading]) {
        switch identity.kind {
        case .counter: readings.append(SourceReading(keys[0], .counter, value, startMilliseconds: startMilliseconds))
        case .gauge: readings.append(SourceReading(keys[0], .gauge, value))
        case .set:
            readings.append(SourceReading(keys[0], .gauge, Double(members.count)))
            members.removeAll()
        case .timer, .histogram:
            readings += SummaryReadings.readings(keys, sketch, value, count, startMilliseconds)
            sketch.removeAll()
        }
    }
}
