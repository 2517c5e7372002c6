package import Collectors
package import LocalRules
import RuntimeSupport
package import Telemetry

/// The node's own rules over everything that it measures, and the findings that they open.
///
/// Deterministic from its seed; no I/O. A scrape costs some nanoseconds for each series that a rule looks at, and for each
/// rule; memory some 0.2 kB for each of these series (1.2 kB more with `rate`), of which a rule has at most
/// 2 × ``RuleWatch/seriesMax``.
package struct NodeRules {
    private struct LayoutKey: Hashable {
        var source: SampleAccumulator.Source
        var layout: UInt64
    }
    /// A series of a source that a rule looks at.
    private struct Binding {
        let rule: Int
        let side: RuleWatch.Side
        let key: SeriesKey
        /// nil: there was no room yet.
        var place: Int?
        var placesEpoch: UInt32 = 0
    }
    private struct Source {
        var generation: UInt64
        var handlesCount: UInt32 = 0
        /// By handle.
        var bindings: [UInt32: [Binding]] = [:]
    }
    static let layoutsMax = 64
    /// Between two pushed samples of a series, as far as anybody knows.
    static let pushedIntervalMilliseconds: Int64 = 60_000
    /// A pushed sample further from now says nothing of now.
    static let pushedAgeMillisecondsMax: Int64 = 180_000
    /// Sources do not report in the order of their times: what is earlier by so much is late, and no step of the clock.
    static let lateMillisecondsMax: Int64 = 15_000

    private var watches: [RuleWatch]
    private var findings: [Finding?]
    private var sources: [SampleAccumulator.Source: Source] = [:]
    /// Places of a scrape that some rule looks at.
    private var layouts: [LayoutKey: [(column: Int, handle: UInt32)]] = [:]
    private var generator: SeededGenerator
    /// Of the last look.
    private var lookedAt = Timestamp.distantPast

    /// - Parameter adopting: open findings that an earlier start left; those of other rules are not looked at.
    package init(_ rules: [LocalRule], adopting: [Finding] = [], seed: UInt64) {
        watches = rules.map { RuleWatch($0) }
        findings = Array(repeating: nil, count: rules.count)
        generator = SeededGenerator(seed: seed)
        for (index, rule) in rules.enumerated() {
            guard let left = adopting.first(where: { $0.rule?.name == rule.name && $0.until == nil }) else { continue }
            findings[index] = left
            watches[index].adopt(Self.report(left))
        }
    }

    package var rules: [LocalRule] { watches.map(\.rule) }
    package var states: [(rule: String, state: RuleWatch.State)] { watches.map { ($0.rule.name, $0.state) } }
    package var openFindings: [Finding] { findings.compactMap { $0 } }
    package var seriesCount: Int { watches.reduce(0) { $0 + $1.seriesCount } }
    package var unwatchedCount: Int { watches.reduce(0) { $0 + $1.unwatchedCount } }

    /// Rules from now on. What does not change keeps its state; findings of what goes, or changes, are closed.
    /// - Returns: the closed ones.
    package mutating func replace(_ rules: [LocalRule], at time: Timestamp) -> [Finding] {
        let former = Dictionary(
            zip(watches, findings).map { ($0.rule.name, (watch: $0, finding: $1)) },
            uniquingKeysWith: { first, _ in first })
        let kept = Set(rules.compactMap { former[$0.name]?.watch.rule == $0 ? $0.name : nil })
        let closed = former.values.compactMap { entry in
            kept.contains(entry.watch.rule.name) ? nil : entry.finding.map { Self.ended($0, at: time) }
        }
        watches = rules.map { kept.contains($0.name) ? former[$0.name]?.watch ?? RuleWatch($0) : RuleWatch($0) }
        findings = rules.map { kept.contains($0.name) ? former[$0.name]?.finding : nil }
        sources = [:]
        layouts = [:]
        return closed.sorted { ($0.since, $0.id) < ($1.since, $1.id) }
    }

    /// One that nobody looks after any more.
    package static func ended(_ finding: Finding, at time: Timestamp) -> Finding {
        var finding = finding
        finding.until = max(finding.since, time)
        return finding
    }

    // MARK: Samples

    /// Series that a source numbered before these rules were there.
    package mutating func bind(
        _ descriptors: [SeriesDescriptor], of source: SampleAccumulator.Source, generation: UInt64
    ) {
        var entry = Source(generation: generation)
        add(descriptors, to: &entry)
        sources[source] = entry
        layouts = layouts.filter { $0.key.source != source }
    }

    /// - Parameter now: the wall clock; a scrape of the collectors has the time of its grid instead.
    /// - Returns: what opened or closed with it.
    package mutating func observe(
        _ scrape: Scrape, _ source: SampleAccumulator.Source, now: Timestamp
    ) -> [Finding] {
        let time = scrape.timestamp.milliseconds
        if sources[source]?.generation != scrape.generation { bind([], of: source, generation: scrape.generation) }
        if !scrape.newDescriptors.isEmpty, var entry = sources.removeValue(forKey: source) {
            add(scrape.newDescriptors, to: &entry)
            sources[source] = entry
        }
        guard scrape.handles.count == scrape.values.count else { return [] }
        for (column, handle) in columns(of: scrape, source) {
            guard let count = sources[source]?.bindings[handle]?.count else { continue }
            for index in 0..<count {
                guard var binding = sources[source]?.bindings[handle]?[index] else { continue }
                add(scrape.values[column], at: time, scrape.intervalMilliseconds, &binding)
                sources[source]?.bindings[handle]?[index] = binding
            }
        }
        return evaluate(watches.indices, at: source == .collectors ? scrape.timestamp : now)
    }

    /// A sample that an application pushed, or that brought a time of its own.
    package mutating func observe(_ key: SeriesKey, _ sample: Sample, now: Timestamp) -> [Finding] {
        let age = now.milliseconds(since: sample.timestamp).magnitude
        guard age <= Self.pushedAgeMillisecondsMax.magnitude else { return [] }
        var touched: [Int] = []
        for rule in watches.indices {
            for side in watches[rule].sides(of: key) {
                var binding = Binding(rule: rule, side: side, key: key)
                add(sample.value, at: sample.timestamp.milliseconds, Self.pushedIntervalMilliseconds, &binding)
                touched.append(rule)
            }
        }
        return touched.isEmpty ? [] : evaluate(touched, at: now)
    }

    private mutating func add(_ value: Double, at time: Int64, _ interval: Int64, _ binding: inout Binding) {
        let epoch = watches[binding.rule].placesEpoch
        if binding.place == nil || binding.placesEpoch != epoch {
            binding.place = watches[binding.rule].place(of: binding.key, binding.side, at: time)
            binding.placesEpoch = watches[binding.rule].placesEpoch
        }
        guard let place = binding.place else { return }
        watches[binding.rule].add(value, at: time, interval: interval, binding.side, place: place)
    }

    private func add(_ descriptors: [SeriesDescriptor], to source: inout Source) {
        for descriptor in descriptors {
            let handle = source.handlesCount
            source.handlesCount += 1
            // A finding names its series: what no block can hold is not watched.
            guard descriptor.key.isWithinLimits else { continue }
            for (index, watch) in watches.enumerated() {
                for side in watch.sides(of: descriptor.key) {
                    source.bindings[handle, default: []].append(Binding(rule: index, side: side, key: descriptor.key))
                }
            }
        }
    }

    private mutating func columns(of scrape: Scrape, _ source: SampleAccumulator.Source) -> [(
        column: Int, handle: UInt32
    )] {
        let key = LayoutKey(source: source, layout: scrape.layout)
        if let known = layouts[key] { return known }
        guard let bindings = sources[source]?.bindings else { return [] }
        let columns = scrape.handles.enumerated().filter { bindings[$1] != nil }.map { (column: $0, handle: $1) }
        // Layouts change when structure does; the old ones do not come back.
        if layouts.count >= Self.layoutsMax { layouts.removeAll(keepingCapacity: true) }
        layouts[key] = columns
        return columns
    }

    // MARK: Findings

    private mutating func evaluate(_ rules: some Sequence<Int>, at time: Timestamp) -> [Finding] {
        let isLate = time < lookedAt && lookedAt.milliseconds(since: time) <= Self.lateMillisecondsMax
        let time = isLate ? lookedAt : time
        lookedAt = time
        var changed: [Finding] = []
        for index in rules {
            switch watches[index].evaluate(at: time.milliseconds) {
            case .fired(let report):
                let finding = finding(of: report, watches[index].rule, ID128(random: &generator))
                findings[index] = finding
                changed.append(finding)
            case .resolved(let report):
                guard let id = findings[index]?.id else { continue }
                findings[index] = nil
                changed.append(finding(of: report, watches[index].rule, id))
            case nil: continue
            }
        }
        return changed
    }

    private func finding(of report: RuleWatch.Report, _ rule: LocalRule, _ id: ID128) -> Finding {
        let share = 1 / Double(max(1, report.involved.count))
        return Finding(
            id: id, group: Self.group(rule, report), since: Timestamp(milliseconds: report.since),
            until: report.until.map { Timestamp(milliseconds: $0) }, score: 1,
            peakAt: Timestamp(milliseconds: report.peakAt), anomalousCount: report.count,
            contributors: report.involved.map { Finding.Contributor(key: $0, share: share) },
            rule: Finding.Rule(
                name: rule.name, severity: rule.severity, value: report.value.isFinite ? report.value : rule.threshold,
                threshold: rule.threshold))
    }

    /// Of its metrics, so that what the centre finds of the same metrics joins it.
    private static func group(_ rule: LocalRule, _ report: RuleWatch.Report) -> String {
        guard let name = report.involved.first?.name ?? rule.metricName else { return DetectionGroup.metric.rawValue }
        let descriptor = SeriesDescriptor(key: SeriesKey(name: name), type: .gauge)
        return (DetectionGroup(descriptor) ?? .metric).rawValue
    }

    private static func report(_ finding: Finding) -> RuleWatch.Report {
        RuleWatch.Report(
            since: finding.since.milliseconds, value: finding.rule?.value ?? .nan,
            peakAt: finding.peakAt.milliseconds, count: finding.anomalousCount,
            involved: finding.contributors.map(\.key))
    }
}
