public import Intake
public import Interchange
public import Telemetry

/// What an application exported as OTLP metrics, as samples of the intake.
///
/// Translated as ``OTLPDecoder`` says. Labels that the aggregator sets become `exported_…`; data with a reserved name,
/// a time too far from now (as ``MetricLimits`` has it) or more labels than a series may have counts as rejected.
public struct OTLPMetrics: Sendable {
    public private(set) var records: [MetricRecord] = []
    /// Families with a unit or a help text.
    public private(set) var families: [MetricMetadata] = []
    /// For the answer.
    public private(set) var batch: OTLPBatch

    /// - Throws: when the body is no such request, or holds more than ``IntakeLimits/recordsMax`` samples.
    public init(
        _ body: UnsafeRawBufferPointer, _ encoding: OTLPEncoding, now: Timestamp
    ) throws(InterchangeError) {
        batch = try OTLPDecoder.decode(body, encoding)
        let samples = batch.exposition.samples
        guard samples.count <= IntakeLimits.recordsMax else {
            throw InterchangeError(.body, "\(samples.count) samples; send at most \(IntakeLimits.recordsMax) at once")
        }
        records.reserveCapacity(samples.count)
        for sample in samples { add(sample, now) }
        families = batch.exposition.families.compactMap(\.kept).filter(\.hasTexts)
        batch.exposition = Exposition()
    }

    private mutating func add(_ sample: ExpositionSample, _ now: Timestamp) {
        guard !SourceNames.isReserved(sample.key.name) else {
            return reject("\"\(sample.key.name.prefix(80))\": the agent's own series begin like this")
        }
        let time = sample.timestampMilliseconds.map { Timestamp(milliseconds: $0) } ?? now
        let age = now.milliseconds(since: time)
        guard age >= -MetricLimits.futureMillisecondsMax, age <= MetricLimits.pastMillisecondsMax else {
            return reject("a time more than 5 minutes ahead or more than an hour ago")
        }
        let labels = sample.key.labels.map { label in
            SourceNames.enrolmentLabels.contains(label.name) ? Label("exported_\(label.name)", label.value) : label
        }
        guard labels.count <= SeriesLimits.labelCountMax,
            labels.allSatisfy({
                $0.name.utf8.count <= SeriesLimits.labelNameBytesMax
                    && $0.value.utf8.count <= SeriesLimits.labelValueBytesMax
            })
        else { return reject("more labels, or a longer one, than a series may have") }
        let type = batch.exposition.families[sample.family].type.metricType
        records.append(
            MetricRecord(
                descriptor: SeriesDescriptor(key: SeriesKey(labels: labels), type: type),
                sample: Sample(timestamp: time, value: sample.value)))
    }

    private mutating func reject(_ reason: String) {
        batch.rejectedPointCount += 1
        if batch.problem == nil { batch.problem = reason }
    }
}
