import JSON
public import Telemetry

/// One sample with the identity of its series.
public struct MetricRecord: Sendable, Equatable {
    public var descriptor: SeriesDescriptor
    public var sample: Sample
    public init(descriptor: SeriesDescriptor, sample: Sample) {
        self.descriptor = descriptor
        self.sample = sample
    }
}

/// What the body of `POST /v1/metrics` holds.
public struct MetricParseResult: Sendable {
    public internal(set) var metrics: [MetricRecord] = []
    public internal(set) var rejections = IntakeRejections()
    public internal(set) var unknownFieldCount = 0
    public internal(set) var isCutShort = false
}

/// Bounds on one sample of an application; those on labels are ``SeriesLimits``.
public enum MetricLimits {
    public static let nameBytesMax = 256
    public static let futureMillisecondsMax: Int64 = 300_000
    public static let pastMillisecondsMax: Int64 = 3_600_000
    /// Names that the agent's own series bear; an application must not write into them.
    public static let reservedPrefixes = ["stagebox_", "node_"]
    /// Labels that the aggregator sets from the agent's enrolment. An application's own are kept as `exported_…`,
    /// as Prometheus does.
    public static let enrolmentLabels: Set<String> = ["instance", "job", "region", "site", SeriesKey.relayLabel]
}

/// Reads samples from JSON: `{"name": …, "value": …, "timestamp"?: …, "type"?: …, "labels"?: {…}}`, one, an array, or
/// NDJSON. The schema is in `INTAKE.md`.
///
/// Names follow Prometheus 3: any valid UTF-8, not empty. Values are numbers or "NaN", "+Inf", "-Inf".
/// - Complexity: O(bytes).
public struct MetricParser: Sendable {
    public init() {}

    /// - Parameter now: stands in for an absent timestamp; samples too far from it are refused.
    public func parse(_ body: UnsafeRawBufferPointer, now: Timestamp, isStrict: Bool = false) -> MetricParseResult {
        var result = MetricParseResult()
        var sequence = RecordSequence(body)
        sequence.forEach { (sequence) throws(JSONError) in
            try readRecord(&sequence, now, isStrict, into: &result)
        }
        result.rejections = sequence.rejections
        result.isCutShort = sequence.isCutShort
        return result
    }

    private func readRecord(
        _ sequence: inout RecordSequence, _ now: Timestamp, _ isStrict: Bool, into result: inout MetricParseResult
    ) throws(JSONError) {
        var draft = MetricDraft()
        if try sequence.reader.peekKind() == .object {
            try sequence.reader.enterObject()
            while let key = try sequence.reader.nextKey() {
                if sequence.reader.depth == 1, sequence.reader.matches(key, "metrics"),
                    try sequence.reader.peekKind() == .array
                {
                    sequence.isWrapped = true
                    try sequence.readElements { (sequence) throws(JSONError) in
                        try readRecord(&sequence, now, isStrict, into: &result)
                    }
                    guard !sequence.isCutShort else { return }
                    draft.isWrapper = true
                    continue
                }
                try draft.read(key, &sequence.reader)
            }
        } else {
            try sequence.reader.skipValue()
            draft.refuse(nil, "expected an object; write each sample as {\"name\":…,\"value\":…}")
        }
        result.unknownFieldCount += draft.unknownFields.count
        guard !draft.isWrapper else { return }
        if isStrict, let unknown = draft.unknownFields.first {
            draft.refuse(unknown, "unknown field; remove it or drop ?strict=1")
        }
        do throws(IntakeRejection) {
            result.metrics.append(try draft.finish(index: sequence.count, now: now))
        } catch {
            sequence.rejections.append(error)
        }
        sequence.count += 1
    }
}
