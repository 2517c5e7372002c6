package import Collectors
package import Detection
import RuntimeSupport
package import Telemetry

/// Judges everything that the node measures as it is measured: each metric by itself and the rows of each group, and
/// says once when something is strange.
///
/// Deterministic from its seed; no I/O. A scrape costs some 20 ns per metric, every tenth second some microseconds more;
/// of trainings at most ``trainingsPerScrape`` are done with one scrape. Memory: see ``stateBytes``, about 2 kB for each
/// of at most ``metricsMax`` metrics.
package struct NodeDetection {
    package static let metricsMax = 2000
    package static let trainingsPerScrape = 4
    /// A metric not seen for this long gives its place to a new one when all are taken.
    package static let idleMilliseconds: Int64 = 600_000
    /// A metric seen within this time can be a group's column; a group is formed anew when a column has been silent for
    /// ``goneMilliseconds``, which is before its place may be another metric's.
    static let presentMilliseconds: Int64 = 15_000
    static let goneMilliseconds: Int64 = 300_000
    /// Scrapes after which a group's columns are chosen: by then counters have rates and slow collectors have reported.
    package static let scrapesBeforeGroups = 60

    /// What one scrape came to.
    package struct Outcome {
        /// Places in the scrape whose values are anomalous; mostly none.
        package var anomalous: [Int] = []
        /// Opened or closed.
        package var findings: [Finding] = []
    }

    private struct LayoutKey: Hashable {
        var source: SampleAccumulator.Source
        var layout: UInt64
    }
    struct Group {
        var detector: GroupDetector
        /// Metrics in the order of the columns.
        var columns: [Int]
        var verdict = Verdict.unscored
    }

    private let configuration: DetectorConfiguration
    private var generator: SeededGenerator
    private(set) var metrics: [WatchedMetric] = []
    var kept = Kept()
    /// Kept models that did not read.
    package private(set) var lostModelsCount = 0
    private var places: [SeriesKey: Int] = [:]
    private var handles: [SampleAccumulator.Source: [Int32]] = [:]
    private var generations: [SampleAccumulator.Source: UInt64] = [:]
    private var layouts: [LayoutKey: [Int32]] = [:]
    private(set) var groups: [DetectionGroup: Group] = [:]
    private var streams = StreamSums()
    private var trackers = DetectionGroup.allCases.map { FindingTracker(group: $0) }
    private var scrapes = 0
    private var pace = Int64.max
    private var nextTrained = 0
    private var lastJudgedAt: Int64 = 0
    private var nextIdleSearch: Int64 = 0
    /// Series that found no place.
    package private(set) var unwatchedCount = 0

    package init(_ configuration: DetectorConfiguration) {
        self.configuration = configuration
        generator = SeededGenerator(seed: configuration.seed)
    }

    package var watchedCount: Int { metrics.count }
    package var watchedKeys: [SeriesKey] { metrics.map(\.descriptor.key) }
    package var unscoredCount: Int { metrics.reduce(0) { $0 + Int($1.unscoredCount) } }
    package var openFindings: [Finding] { trackers.compactMap(\.open) }
    package var stateBytes: Int {
        metrics.reduce(0) { $0 + $1.stateBytes } + groups.values.reduce(0) { $0 + $1.detector.stateBytes }
    }

    package mutating func observe(_ scrape: Scrape, _ source: SampleAccumulator.Source) -> Outcome {
        let time = scrape.timestamp.milliseconds
        if source == .streams {
            observeStreams(scrape, time)
            return Outcome()
        }
        let columns = columns(of: scrape, source, time)
        var outcome = Outcome()
        guard columns.count == scrape.values.count else { return outcome }
        for (place, number) in columns.enumerated() where number >= 0 {
            let number = Int(number)
            metrics[number].observe(scrape.values[place], at: time)
            if metrics[number].verdict.isAnomalous { outcome.anomalous.append(place) }
        }
        train()
        // The collectors' fastest scrape sets the pace.
        guard source == .collectors else { return outcome }
        pace = min(pace, scrape.intervalMilliseconds)
        guard scrape.intervalMilliseconds == pace else { return outcome }
        scrapes += 1
        if scrapes == Self.scrapesBeforeGroups {
            formGroups(time)
            // Series that did not come back within a minute are learnt anew when they do.
            kept = Kept()
        }
        judgeGroups(time)
        outcome.findings = track(time)
        return outcome
    }

    private mutating func observeStreams(_ scrape: Scrape, _ time: Int64) {
        for descriptor in scrape.newDescriptors { streams.add(descriptor) }
        let sums = streams.sums(scrape.handles, scrape.values)
        for (place, descriptor) in streams.descriptors.enumerated() {
            guard let number = watch(descriptor, time) else { continue }
            metrics[number].observe(sums[place], at: time)
        }
    }

    // MARK: Which series is which

    private mutating func columns(of scrape: Scrape, _ source: SampleAccumulator.Source, _ time: Int64) -> [Int32] {
        if generations[source] != scrape.generation {
            generations[source] = scrape.generation
            handles[source] = []
            layouts = layouts.filter { $0.key.source != source }
        }
        for descriptor in scrape.newDescriptors {
            handles[source, default: []].append(Int32(watch(descriptor, time) ?? -1))
        }
        let key = LayoutKey(source: source, layout: scrape.layout)
        if let known = layouts[key] { return known }
        let numbers = handles[source] ?? []
        let columns = scrape.handles.map { Int($0) < numbers.count ? numbers[Int($0)] : -1 }
        // Layouts change when structure does; the old ones do not come back.
        if layouts.count >= 64 { layouts.removeAll(keepingCapacity: true) }
        layouts[key] = columns
        return columns
    }

    private mutating func watch(_ descriptor: SeriesDescriptor, _ time: Int64) -> Int? {
        if let known = places[descriptor.key] { return known }
        guard let group = DetectionGroup(descriptor) else { return nil }
        var number = metrics.count
        if number >= Self.metricsMax {
            guard let idle = idleMetric(time) else {
                unwatchedCount += 1
                return nil
            }
            number = idle
            places[metrics[idle].descriptor.key] = nil
            for (source, list) in handles { handles[source] = list.map { $0 == Int32(idle) ? -1 : $0 } }
            layouts.removeAll(keepingCapacity: true)
        }
        var metric = WatchedMetric(descriptor, group, configuration, number, at: time)
        if let bytes = kept.metrics.removeValue(forKey: descriptor.key), !metric.restore(bytes, configuration) {
            lostModelsCount += 1
        }
        if number < metrics.count { metrics[number] = metric } else { metrics.append(metric) }
        places[descriptor.key] = number
        return number
    }

    /// The metric not seen for longest, if that is long enough. Looked for once a minute when none is: ten thousand new
    /// series at once must not each look.
    private mutating func idleMetric(_ time: Int64) -> Int? {
        guard time >= nextIdleSearch || nextIdleSearch - time > 60_000 else { return nil }
        let idle = metrics.indices.min { metrics[$0].lastAt < metrics[$1].lastAt }
        guard let idle, time - metrics[idle].lastAt >= Self.idleMilliseconds else {
            nextIdleSearch = time + 60_000
            return nil
        }
        return idle
    }

    // MARK: Training

    private mutating func train() {
        guard !metrics.isEmpty else { return }
        var trained = 0
        for _ in 0..<min(metrics.count, 64) {
            nextTrained = (nextTrained + 1) % metrics.count
            guard metrics[nextTrained].wantsTraining else { continue }
            metrics[nextTrained].train()
            trained += 1
            if trained == Self.trainingsPerScrape { return }
        }
        for group in DetectionGroup.allCases where groups[group]?.detector.wantsTraining ?? false {
            groups[group]?.detector.train()
            return
        }
    }

    // MARK: Groups

    private mutating func formGroups(_ time: Int64) {
        for group in DetectionGroup.allCases where group != .metric {
            if let former = formerGroup(group) {
                groups[group] = former
                continue
            }
            form(group, time)
        }
    }

    /// Of the group's metrics that are there now; a group of one is none.
    private mutating func form(_ group: DetectionGroup, _ time: Int64) {
        let members = metrics.indices.filter {
            metrics[$0].group == group && metrics[$0].value.isFinite
                && time - metrics[$0].lastAt <= Self.presentMilliseconds
        }
        // What moves says more than what rests, of which there is much.
        let moving = members.filter { metrics[$0].hasMoved }
        let resting = members.filter { !metrics[$0].hasMoved }
        let columns = Array((moving + resting).prefix(DetectionGroup.columnsMax))
        guard columns.count > 1 else {
            groups[group] = nil
            return
        }
        let detector = GroupDetector(
            configuration: configuration, columns: columns.count, group: UInt64(columns.count))
        groups[group] = Group(detector: detector, columns: columns)
    }

    /// As an earlier start kept it, if all of its columns are there.
    private mutating func formerGroup(_ group: DetectionGroup) -> Group? {
        guard let former = kept.groups.removeValue(forKey: group) else { return nil }
        let columns = former.columns.compactMap { places[$0] }
        guard columns.count == former.columns.count, !columns.isEmpty,
            let detector = try? GroupDetector(bytes: former.bytes, configuration: configuration),
            detector.columns == columns.count
        else {
            lostModelsCount += 1
            return nil
        }
        return Group(detector: detector, columns: columns)
    }

    private mutating func judgeGroups(_ time: Int64) {
        let isClockBack = time < lastJudgedAt
        lastJudgedAt = time
        for group in DetectionGroup.allCases {
            if isClockBack { groups[group]?.detector.restartTime() }
            guard let columns = groups[group]?.columns else { continue }
            // A detector keeps the last value of what is missing: a row with a column that went away says nothing.
            let silence = columns.reduce(0) { max($0, time - metrics[$1].lastAt) }
            guard silence <= WatchedMetric.freshMilliseconds else {
                groups[group]?.verdict = .unscored
                if silence > Self.goneMilliseconds { form(group, time) }
                continue
            }
            let row = columns.map { metrics[$0].value }
            if let verdict = groups[group]?.detector.observe(row.span, at: time) { groups[group]?.verdict = verdict }
        }
    }

    /// Of the metrics that were judged, the share that is anomalous now; nil while none is judged.
    package func anomalyRate(of group: DetectionGroup?) -> Double? {
        var (scored, anomalous) = (0, 0)
        for metric in metrics
        where metric.verdict.isScored && metric.isFresh(at: lastJudgedAt) && (group == nil || metric.group == group) {
            scored += 1
            if metric.verdict.isAnomalous { anomalous += 1 }
        }
        return scored > 0 ? Double(anomalous) / Double(scored) : nil
    }

    package func score(of group: DetectionGroup) -> Double? {
        guard let verdict = groups[group]?.verdict, verdict.isScored else { return nil }
        return Double(verdict.score)
    }

    // MARK: Findings

    private mutating func track(_ time: Int64) -> [Finding] {
        var looks = [FindingTracker.Look](
            repeating: FindingTracker.Look(time: time), count: DetectionGroup.allCases.count)
        for number in metrics.indices {
            // A metric that went away must not keep a finding open with its last word.
            guard metrics[number].isFresh(at: time) else { continue }
            let verdict = metrics[number].takeVerdict()
            guard verdict.isAnomalous || verdict.alarm, let place = Self.place[metrics[number].group] else { continue }
            looks[place].anomalous.append((number, verdict.score))
            looks[place].score = max(looks[place].score, verdict.score)
            if verdict.alarm { looks[place].isAlarm = true }
        }
        var findings: [Finding] = []
        for (place, group) in DetectionGroup.allCases.enumerated() {
            if let verdict = groups[group]?.verdict, verdict.isScored {
                looks[place].isGroupAnomalous = verdict.isAnomalous
                if verdict.isAnomalous { looks[place].score = max(looks[place].score, verdict.score) }
                if verdict.alarm { looks[place].isAlarm = true }
            }
            guard let change = trackers[place].observe(looks[place], id: ID128(random: &generator)) else { continue }
            switch change {
            case .opened(let finding), .closed(let finding): findings.append(explained(finding, place))
            }
        }
        return findings
    }

    /// Goes on with what an earlier start left open.
    package mutating func adopt(_ left: [Finding]) {
        for place in trackers.indices {
            let group = trackers[place].group.rawValue
            guard let finding = left.first(where: { $0.rule == nil && $0.group == group && $0.until == nil }) else {
                continue
            }
            trackers[place].adopt(finding)
        }
    }

    private static let place = Dictionary(
        uniqueKeysWithValues: DetectionGroup.allCases.enumerated().map { ($0.element, $0.offset) })

    /// With the series that contributed most, and how the first of them looked.
    private func explained(_ finding: Finding, _ place: Int) -> Finding {
        var weights = trackers[place].involved.mapValues(Double.init)
        // Of one that an earlier start opened, that start knew more.
        if weights.isEmpty, finding.until != nil, !finding.contributors.isEmpty { return finding }
        if weights.isEmpty, let group = groups[trackers[place].group] {
            for part in group.detector.contributions(top: Finding.contributorsMax) {
                weights[group.columns[part.column]] = Double(part.share)
            }
        }
        // Summed in this order: a dictionary's own differs from run to run, and so would the last digit.
        let order = weights.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        let sum = order.reduce(0) { $0 + $1.value }
        guard sum > 0 else { return finding }
        var finding = finding
        finding.contributors = order.prefix(Finding.contributorsMax).map {
            Finding.Contributor(key: metrics[$0.key].descriptor.key, share: $0.value / sum)
        }
        finding.shape = order.first.flatMap { metrics[$0.key].shape.finding }
        return finding
    }
}
