public import Interchange
public import Telemetry

/// Turns one target's bodies into readings: parses, relabels, adds the target's labels.
///
/// A label of an exposition that the target has too, or that the aggregator sets, is renamed with `exported_` in front
/// until the name is free; with `honorsLabels` the exposition's own wins. A sample that brings a timestamp keeps it.
/// Bounds: bytes and samples of a body; beyond them the scrape fails as a whole, as in Prometheus.
/// - Complexity: strings are made for new series only; a known one costs three lookups.
public struct ScrapeReader: Sendable {
    /// How far a sample's own timestamp may be from now.
    public static let futureMillisecondsMax: Int64 = 300_000
    public static let pastMillisecondsMax: Int64 = 3_600_000

    public struct Limits: Sendable {
        public var bodyBytesMax: Int
        public var samplesMax: Int
        public init(bodyBytesMax: Int, samplesMax: Int) {
            self.bodyBytesMax = bodyBytesMax
            self.samplesMax = samplesMax
        }
    }

    public struct Scraped: Sendable {
        public var readings: [SourceReading] = []
        /// In the body.
        public var sampleCount = 0
        public var drops = DropCounts()
        /// Families with a unit or a help text.
        public var families: [MetricMetadata] = []
        public init() {}
    }

    private let target: ScrapeTarget
    private let rules: [RelabelRule]
    private let honorsLabels: Bool
    private let limits: Limits
    private var texts: SeriesTextCache
    /// Series as exposed → as sent; nil: relabelling drops it.
    private var resolved: [SeriesKey: Resolution] = [:]

    private enum Resolution: Sendable {
        case key(SeriesKey)
        case dropped
        case tooManyLabels
    }

    public init(target: ScrapeTarget, rules: [RelabelRule], honorsLabels: Bool, limits: Limits) {
        self.target = target
        self.rules = rules
        self.honorsLabels = honorsLabels
        self.limits = limits
        texts = SeriesTextCache(capacity: limits.samplesMax)
    }

    /// - Throws: what is wrong with the body, with its line.
    public mutating func read(
        _ body: UnsafeRawBufferPointer, contentType: String?, now: Timestamp
    ) throws(InterchangeError) -> Scraped {
        guard let format = ExpositionFormat(contentType: contentType) else {
            throw InterchangeError(.body, "its Content-Type is none of an exposition: \(contentType?.prefix(80) ?? "")")
        }
        let exposition = try format.parse(
            body, limits: ExpositionLimits(bytesMax: limits.bodyBytesMax, samplesMax: limits.samplesMax), cache: &texts)
        var scraped = Scraped()
        scraped.sampleCount = exposition.samples.count
        scraped.families = exposition.families.compactMap(\.kept).filter(\.hasTexts)
        scraped.readings.reserveCapacity(exposition.samples.count)
        if resolved.count > 2 * limits.samplesMax { resolved = [:] }
        for sample in exposition.samples {
            switch resolve(sample.key) {
            case .dropped: continue
            case .tooManyLabels: scraped.drops.add(.labelLimit)
            case .key(let key):
                if let time = sample.timestampMilliseconds, !Self.isNear(time, now) {
                    scraped.drops.add(.outOfTime)
                    continue
                }
                scraped.readings.append(
                    SourceReading(
                        key, exposition.families[sample.family].type.metricType, sample.value,
                        startMilliseconds: sample.createdMilliseconds ?? 0,
                        timestampMilliseconds: sample.timestampMilliseconds))
            }
        }
        return scraped
    }

    private static func isNear(_ milliseconds: Int64, _ now: Timestamp) -> Bool {
        let age = now.milliseconds(since: Timestamp(milliseconds: milliseconds))
        return age <= pastMillisecondsMax && age >= -futureMillisecondsMax
    }

    private mutating func resolve(_ key: SeriesKey) -> Resolution {
        if let known = resolved[key] { return known }
        let resolution = merged(key)
        resolved[key] = resolution
        return resolution
    }

    private func merged(_ key: SeriesKey) -> Resolution {
        var labels: [String: String] = [:]
        for label in key.labels { labels[label.name] = label.value }
        var moved: [Label] = []
        for name in SourceNames.enrolmentLabels {
            if let value = labels.removeValue(forKey: name) { moved.append(Label(name, value)) }
        }
        if honorsLabels {
            for label in moved { labels["exported_\(label.name)"] = label.value }
            for label in target.labels where labels[label.name] == nil { labels[label.name] = label.value }
        } else {
            for label in target.labels {
                if let value = labels.removeValue(forKey: label.name) { moved.append(Label(label.name, value)) }
            }
            for label in target.labels { labels[label.name] = label.value }
            // The shortest name first, as Prometheus does, so that the result does not depend on the order.
            for label in moved.sorted(by: { ($0.name.utf8.count, $0.name) < ($1.name.utf8.count, $1.name) }) {
                var name = "exported_\(label.name)"
                while labels[name] != nil { name = "exported_\(name)" }
                labels[name] = label.value
            }
        }
        // As in Prometheus, rules see the labels that the series ends up with.
        guard rules.keep({ labels[$0] ?? "" }) else { return .dropped }
        guard labels.count <= SeriesLimits.labelCountMax,
            labels.allSatisfy({
                $0.key.utf8.count <= SeriesLimits.labelNameBytesMax
                    && $0.value.utf8.count <= SeriesLimits.labelValueBytesMax
            })
        else { return .tooManyLabels }
        return .key(SeriesKey(labels: labels.map { Label($0.key, $0.value) }))
    }

    /// What Prometheus says of each scrape.
    public func health(
        isUp: Bool, durationSeconds: Double, sampleCount: Int, keptCount: Int
    ) -> [SourceReading] {
        [
            ("up", isUp ? 1 : 0), ("scrape_duration_seconds", durationSeconds),
            ("scrape_samples_scraped", Double(sampleCount)),
            ("scrape_samples_post_metric_relabeling", Double(keptCount)),
        ].map { SourceReading(SeriesKey(name: $0.0, labels: target.labels), .gauge, $0.1) }
    }
}
