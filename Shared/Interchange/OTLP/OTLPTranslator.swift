import Telemetry

/// Turns OTLP metrics into Prometheus series as Prometheus' OTLP receiver does.
///
/// * Gauges and cumulative sums become one series; monotonic sums are counters.
/// * Cumulative histograms become `_bucket`, `_sum` and `_count`; summaries `_sum`, `_count` and quantiles.
/// * Delta temporality is rejected, as there: turning it into running totals needs state that must not be lost.
/// * Exponential histograms are rejected: native histograms are not supported.
/// * `job` is service.namespace/service.name, `instance` service.instance.id; a resource's other attributes are the
///   labels of one `target_info`.
/// * A point flagged as without value becomes a staleness marker.
struct OTLPTranslator {
    private var batch = OTLPBatch()
    private var indexes: [String: Int] = [:]
    private let samplesMax: Int

    /// Prometheus' marker for a series that has ended.
    private static let stale = Double(bitPattern: 0x7ff0_0000_0000_0002)

    init(samplesMax: Int) { self.samplesMax = samplesMax }

    static func translate(_ request: OTLPRequest, samplesMax: Int) throws(InterchangeError) -> OTLPBatch {
        var translator = OTLPTranslator(samplesMax: samplesMax)
        for resource in request.resources { try translator.add(resource) }
        return translator.batch
    }

    private mutating func add(_ resource: OTLPRequest.Resource) throws(InterchangeError) {
        let identity = Self.identity(resource.attributes)
        var latest: UInt64 = 0
        for metric in resource.metrics {
            for point in metric.points { latest = max(latest, point.timeNanoseconds) }
            try add(metric, identity)
        }
        try addTargetInfo(resource.attributes, identity, latest)
    }

    private static let identifying = ["service.name", "service.namespace", "service.instance.id"]

    private static func identity(_ attributes: [OTLPAttribute]) -> [Label] {
        func value(_ key: String) -> String? {
            attributes.first { $0.key == key }.map(\.value.text).flatMap { $0.isEmpty ? nil : $0 }
        }
        var labels: [Label] = []
        if let name = value("service.name") {
            labels.append(Label("job", value("service.namespace").map { "\($0)/\(name)" } ?? name))
        }
        if let instance = value("service.instance.id") { labels.append(Label("instance", instance)) }
        return labels
    }

    private mutating func addTargetInfo(
        _ attributes: [OTLPAttribute], _ identity: [Label], _ time: UInt64
    ) throws(InterchangeError) {
        let others = attributes.filter { !Self.identifying.contains($0.key) }
        guard !others.isEmpty, !identity.isEmpty, time > 0 else { return }
        let family = family(MetricFamily(name: "target_info", type: .info, help: "Target metadata"))
        try append(family, "target_info", Self.labels(others, identity), 1, time, start: 0)
    }

    /// Attributes as labels, sorted by key; those that become the same name are joined with `;`. The resource's
    /// identity wins over attributes.
    private static func labels(_ attributes: [OTLPAttribute], _ identity: [Label], _ extra: [Label] = []) -> [Label] {
        var values: [String: String] = [:]
        for attribute in attributes.sorted(by: { $0.key < $1.key }) {
            let name = OTLPNames.label(attribute.key)
            guard !name.isEmpty, name != SeriesKey.nameLabel else { continue }
            let text = attribute.value.text
            values[name] = values[name].map { "\($0);\(text)" } ?? text
        }
        for label in identity + extra { values[label.name] = label.value }
        return values.map { Label($0.key, $0.value) }
    }

    // MARK: metrics

    private mutating func add(_ metric: OTLPMetric, _ identity: [Label]) throws(InterchangeError) {
        let type: FamilyType
        switch metric.kind {
        case .none: return
        case .gauge: type = .gauge
        case .sum: type = metric.isMonotonic ? .counter : .gauge
        case .histogram: type = .histogram
        case .summary: type = .summary
        case .exponentialHistogram:
            return reject(metric.points.count, "\"\(metric.name)\": exponential histograms are not supported")
        }
        if metric.kind == .sum || metric.kind == .histogram, metric.temporality != 2 {
            let what = metric.temporality == 1 ? "delta" : "unspecified"
            return reject(
                metric.points.count, "\"\(metric.name)\": \(what) temporality is not supported; use cumulative")
        }
        let name = OTLPNames.metric(
            metric.name, unit: metric.unit, isCounter: type == .counter, isGauge: metric.kind == .gauge)
        guard !name.isEmpty else { return reject(metric.points.count, "a metric without a usable name") }
        let family = family(MetricFamily(name: name, type: type, unit: metric.unit, help: metric.description))
        for point in metric.points { try add(point, metric, family, name, identity) }
    }

    private mutating func add(
        _ point: OTLPPoint, _ metric: OTLPMetric, _ family: Int, _ name: String, _ identity: [Label]
    ) throws(InterchangeError) {
        let labels = Self.labels(point.attributes, identity)
        switch metric.kind {
        case .histogram: try addHistogram(point, metric, family, name, labels)
        case .summary: try addSummary(point, family, name, labels)
        default:
            guard let value = point.hasNoValue ? Self.stale : point.value else {
                return reject(1, "\"\(metric.name)\": a data point without a value")
            }
            try append(
                family, name, labels, value, point.timeNanoseconds,
                start: metric.isMonotonic ? point.startNanoseconds : 0)
            batch.pointCount += 1
        }
    }

    private mutating func addHistogram(
        _ point: OTLPPoint, _ metric: OTLPMetric, _ family: Int, _ name: String, _ labels: [Label]
    ) throws(InterchangeError) {
        guard point.bucketCounts.isEmpty || point.bucketCounts.count == point.bounds.count + 1,
            zip(point.bounds, point.bounds.dropFirst()).allSatisfy(<)
        else { return reject(1, "\"\(metric.name)\": bounds and buckets of a histogram do not fit") }
        let time = point.timeNanoseconds
        let start = point.startNanoseconds
        func value(_ value: Double) -> Double { point.hasNoValue ? Self.stale : value }
        if let sum = point.sum { try append(family, name + "_sum", labels, value(sum), time, start: start) }
        try append(family, name + "_count", labels, value(Double(point.count)), time, start: start)
        var total: UInt64 = 0
        for (bound, count) in zip(point.bounds, point.bucketCounts) where bound != .infinity {
            total = total.addingReportingOverflow(count).partialValue
            let bucket = labels + [Label("le", NumberText.plain(bound))]
            try append(family, name + "_bucket", bucket, value(Double(total)), time, start: start)
        }
        let last = labels + [Label("le", "+Inf")]
        try append(family, name + "_bucket", last, value(Double(point.count)), time, start: start)
        batch.pointCount += 1
    }

    private mutating func addSummary(
        _ point: OTLPPoint, _ family: Int, _ name: String, _ labels: [Label]
    ) throws(InterchangeError) {
        let time = point.timeNanoseconds
        let start = point.startNanoseconds
        func value(_ value: Double) -> Double { point.hasNoValue ? Self.stale : value }
        try append(family, name + "_sum", labels, value(point.sum ?? 0), time, start: start)
        try append(family, name + "_count", labels, value(Double(point.count)), time, start: start)
        for entry in point.quantiles {
            let quantile = labels + [Label("quantile", NumberText.plain(entry.quantile))]
            try append(family, name, quantile, value(entry.value), time, start: start)
        }
        batch.pointCount += 1
    }

    // MARK: results

    private mutating func family(_ family: MetricFamily) -> Int {
        if let index = indexes[family.name] { return index }
        batch.exposition.families.append(family)
        indexes[family.name] = batch.exposition.families.count - 1
        return batch.exposition.families.count - 1
    }

    private mutating func append(
        _ family: Int, _ name: String, _ labels: [Label], _ value: Double, _ time: UInt64, start: UInt64
    ) throws(InterchangeError) {
        guard batch.exposition.samples.count < samplesMax else {
            throw InterchangeError(.body, "more than \(samplesMax) samples")
        }
        batch.exposition.samples.append(
            ExpositionSample(
                family: family, key: SeriesKey(name: name, labels: labels), value: value,
                timestampMilliseconds: time == 0 ? nil : Int64(time / 1_000_000),
                createdMilliseconds: start == 0 ? nil : Int64(start / 1_000_000)))
    }

    private mutating func reject(_ count: Int, _ reason: String) {
        guard count > 0 else { return }
        batch.rejectedPointCount += count
        if batch.problem == nil { batch.problem = reason }
    }
}
