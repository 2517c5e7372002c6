package import PromQL
package import Telemetry

/// What a group reads from and writes to.
package protocol RuleHost {
    func query(_ rule: Rule, at time: Timestamp) throws -> QueryResult
    /// Returns when the samples are stored and queries see them.
    func write(_ samples: [(key: SeriesKey, value: Double)], at time: Timestamp) throws
    /// Of the monotonic clock, for how long things take.
    var nanoseconds: UInt64 { get }
}

/// How a rule fares.
package struct RuleState: Sendable {
    package var lastEvaluation: Timestamp?
    package var seconds = 0.0
    /// nil when the last evaluation went well.
    package var error: String?
    package var evaluationCount = 0
    package var failureCount = 0
    /// What it resulted in last time; these get a staleness marker when they are gone.
    package var series: Set<SeriesKey> = []
}

/// Evaluates a group's recording rules in order, each seeing what those before it have stored.
package struct GroupEvaluator: Sendable {
    package let group: RuleGroup
    package private(set) var states: [RuleState]
    package private(set) var schedule: GroupSchedule
    package private(set) var lastEvaluation: Timestamp?
    package private(set) var seconds = 0.0

    /// - Parameter previous: the group's former self, whose rules' series go on where name, labels and order agree.
    package init(_ group: RuleGroup, now: Timestamp, continuing previous: GroupEvaluator? = nil) {
        self.group = group
        states = group.rules.map { _ in RuleState() }
        if let previous, previous.schedule.interval == group.interval {
            schedule = previous.schedule
        } else {
            schedule = GroupSchedule(key: group.key, interval: group.interval, now: now.milliseconds)
        }
        guard let previous else { return }
        lastEvaluation = previous.lastEvaluation
        seconds = previous.seconds
        var unclaimed = Array(zip(previous.group.rules, previous.states))
        for (index, rule) in group.rules.enumerated() {
            guard let place = unclaimed.firstIndex(where: { Self.areAlike($0.0, rule) }) else { continue }
            states[index] = unclaimed.remove(at: place).1
        }
    }

    private static func areAlike(_ one: Rule, _ other: Rule) -> Bool {
        one.name == other.name && one.labels == other.labels && one.isRecording == other.isRecording
    }

    /// Series that rules of `self` had and none of `next` goes on with.
    package func abandonedSeries(by next: GroupEvaluator?) -> Set<SeriesKey> {
        let mine = states.reduce(into: Set<SeriesKey>()) { $0.formUnion($1.series) }
        guard let next else { return mine }
        return mine.subtracting(next.states.reduce(into: Set<SeriesKey>()) { $0.formUnion($1.series) })
    }

    /// Evaluates when a slot is due.
    /// - Returns: whether one was.
    package mutating func run(now: Timestamp, _ host: some RuleHost) -> Bool {
        guard let due = schedule.take(now: now.milliseconds) else { return false }
        let start = host.nanoseconds
        let time = Timestamp(milliseconds: due)
        for index in group.rules.indices where group.rules[index].isRecording { evaluate(index, time, host) }
        lastEvaluation = time
        seconds = Double(host.nanoseconds - start) / 1e9
        return true
    }

    private mutating func evaluate(_ index: Int, _ time: Timestamp, _ host: some RuleHost) {
        let start = host.nanoseconds
        let rule = group.rules[index]
        states[index].lastEvaluation = time
        states[index].evaluationCount += 1
        do {
            var samples = try Self.samples(rule, try host.query(rule, at: time).value, limit: group.limit)
            let keys = Set(samples.map(\.key))
            for gone in states[index].series.subtracting(keys) { samples.append((gone, StalenessMarker.value)) }
            if !samples.isEmpty { try host.write(samples, at: time) }
            states[index].series = keys
            states[index].error = nil
        } catch {
            states[index].error = "\(error)"
            states[index].failureCount += 1
        }
        states[index].seconds = Double(host.nanoseconds - start) / 1e9
    }

    /// What a rule's result becomes.
    static func samples(
        _ rule: Rule, _ value: QueryValue, limit: Int
    ) throws(QueryError) -> [(key: SeriesKey, value: Double)] {
        let vector: [(labels: [Label], value: Double)]
        switch value {
        case .scalar(let number, _): vector = [([], number)]
        case .vector(let result): vector = zip(result.labels, result.values).map { ($0.labels, $1) }
        case .string, .matrix: throw QueryError(.execution, "rule result is not a vector or scalar")
        }
        guard limit == 0 || vector.count <= limit else {
            throw QueryError(.limit, "exceeded limit of \(limit) with \(vector.count) series")
        }
        let set = Set(rule.labels.map(\.name) + [SeriesKey.nameLabel])
        let added = rule.labels.filter { !$0.value.isEmpty } + [Label(SeriesKey.nameLabel, rule.name)]
        var seen = Set<SeriesKey>()
        return try vector.map { entry throws(QueryError) in
            let key = SeriesKey(labels: entry.labels.filter { !set.contains($0.name) } + added)
            guard seen.insert(key).inserted else {
                throw QueryError(
                    .execution, "vector contains metrics with the same labelset after applying rule labels")
            }
            return (key, entry.value)
        }
    }
}

extension Rule {
    package var isRecording: Bool {
        if case .recording = kind { true } else { false }
    }
}
