import Telemetry

/// The metric family that is being read: its metadata and what its samples so far allow next.
struct OpenMetricsFamily {
    var metadata: MetricFamily
    /// Its first line.
    let line: Int
    /// Its place in ``Exposition/families``.
    let index: Int
    var hasType = false
    var hasHelp = false
    var hasUnit = false
    private(set) var sampleCount = 0

    private var suffixes: [String] = [""]
    /// The labels of the metric being read, without those that belong to a single sample (`le`, `quantile`, …).
    private var metric: [Label]?
    private var seenMetrics = Set<[Label]>()
    private var time: Double?
    /// Series of the point being read, to find repeated ones.
    private var pointSeries = Set<SeriesKey>()
    private var hasTotal = false
    private var histogram = OpenMetricsHistogram()
    /// Where the current metric's samples start in ``Exposition/samples``, and its `_created`.
    private var metricStart = 0
    private var createdMilliseconds: Int64?

    init(name: String, line: Int, index: Int) {
        metadata = MetricFamily(name: name)
        self.line = line
        self.index = index
    }

    var name: String { metadata.name }
    private var type: FamilyType { metadata.type }

    mutating func setType(_ type: FamilyType) {
        hasType = true
        metadata.type = type
        suffixes = Self.suffixes(of: type)
    }

    private static func suffixes(of type: FamilyType) -> [String] {
        switch type {
        case .counter: ["_total", "_created"]
        case .summary: ["", "_count", "_sum", "_created"]
        case .histogram: ["_count", "_sum", "_bucket", "_created"]
        case .gaugehistogram: ["_gcount", "_gsum", "_bucket"]
        case .info: ["_info"]
        case .gauge, .stateset, .unknown: [""]
        }
    }

    /// What this family's name forbids to others: itself, and every name its samples may have.
    var reservedSuffixes: [String] { suffixes.contains("") ? suffixes : suffixes + [""] }

    /// - Returns: nil when a sample of that name cannot be of this family.
    func suffix(of sampleName: String) -> String? {
        guard sampleName.utf8.count >= name.utf8.count, sampleName.hasPrefix(name) else { return nil }
        let suffix = String(sampleName.dropFirst(name.count))
        return suffixes.contains(suffix) ? suffix : nil
    }

    // MARK: samples

    mutating func add(_ sample: OpenMetricsSample, to exposition: inout Exposition) throws(InterchangeError) {
        let suffix = suffix(of: sample.name) ?? ""
        try checkLabels(sample, suffix)
        try checkValue(sample, suffix)
        let isNewPoint = try place(sample, suffix, &exposition)
        sampleCount += 1
        if isNewPoint { pointSeries.removeAll(keepingCapacity: true) }
        guard pointSeries.insert(sample.key).inserted else {
            guard sample.time != nil else { throw sample.error("the series is given twice, without timestamps") }
            return
        }
        if type == .histogram || type == .gaugehistogram { try histogram.add(sample, suffix) }
        if suffix == "_total" { hasTotal = true }
        if suffix == "_created" { createdMilliseconds = NumberText.milliseconds(seconds: sample.value) }
        exposition.samples.append(
            ExpositionSample(
                family: index, key: sample.key, value: sample.value,
                timestampMilliseconds: sample.time.map(NumberText.milliseconds(seconds:)), exemplar: sample.exemplar))
    }

    /// Finds the sample's place among the metrics and points so far.
    /// - Returns: whether a new point begins with it.
    private mutating func place(
        _ sample: OpenMetricsSample, _ suffix: String, _ exposition: inout Exposition
    ) throws(InterchangeError) -> Bool {
        let labels = metricLabels(sample, suffix)
        guard labels == metric else {
            try finishMetric(&exposition)
            guard seenMetrics.insert(labels).inserted else {
                throw sample.error("samples of one metric must stand together")
            }
            metric = labels
            time = sample.time
            metricStart = exposition.samples.count
            return true
        }
        guard (sample.time == nil) == (time == nil) else {
            throw sample.error("samples of one metric must all have timestamps, or none")
        }
        guard let earlier = time, let now = sample.time, earlier != now else { return false }
        guard earlier < now else { throw sample.error("the timestamps of a metric go backwards") }
        try histogram.finish(name)
        time = now
        return true
    }

    /// Labels by which metrics are told apart. In an info family nothing says which labels are the metric's, so every
    /// label set is taken as a metric of its own.
    private func metricLabels(_ sample: OpenMetricsSample, _ suffix: String) -> [Label] {
        let own: String? =
            switch (type, suffix) {
            case (.summary, ""): "quantile"
            case (.histogram, "_bucket"), (.gaugehistogram, "_bucket"): "le"
            case (.stateset, _): name
            default: nil
            }
        return sample.key.labels.filter { $0.name != own && $0.name != SeriesKey.nameLabel }
    }

    // MARK: ends

    private mutating func finishMetric(_ exposition: inout Exposition) throws(InterchangeError) {
        guard metric != nil else { return }
        try histogram.finish(name)
        if type == .counter, !hasTotal {
            throw InterchangeError(.line(line), "a metric of counter \"\(name)\" has no _total")
        }
        if let created = createdMilliseconds {
            for index in metricStart..<exposition.samples.count {
                exposition.samples[index].createdMilliseconds = created
            }
        }
        hasTotal = false
        createdMilliseconds = nil
    }

    mutating func finish(_ exposition: inout Exposition) throws(InterchangeError) {
        try finishMetric(&exposition)
        guard !metadata.unit.isEmpty else { return }
        guard name.hasSuffix("_" + metadata.unit) else {
            throw InterchangeError(.line(line), "the name \"\(name)\" does not end in the unit \"_\(metadata.unit)\"")
        }
        guard type != .info, type != .stateset else {
            throw InterchangeError(.line(line), "\"\(name)\": a metric family of type \(type.rawValue) has no unit")
        }
    }
}
