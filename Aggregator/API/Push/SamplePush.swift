import Interchange
import Store
import Telemetry

/// What of one body was stored, and why the rest was not.
struct PushOutcome: Sendable {
    var stored = 0
    /// Malformed series or samples.
    var refused = 0
    /// Samples of series beyond the tenant's bounds: too many series, or labels of one.
    var unplaced = 0
    /// Series with more or longer labels than the tenant may use.
    var overlongSeries = 0
    /// There was no room for a new series.
    var isCrowded = false
    /// Samples older than the retention or too far ahead.
    var outOfBounds = 0
    /// What this store keeps no form of: native histograms, texts.
    var unsupported = 0
    /// The first thing that was wrong.
    var problem: String?

    /// What remote write 2.0 wants told of what was stored; 1.0 knows no such headers.
    func written(_ version: RemoteWriteVersion) -> [(name: String, value: String)] {
        guard version == .two else { return [] }
        return [("Samples", stored), ("Histograms", 0), ("Exemplars", 0)].map { kind, count in
            ("X-Prometheus-Remote-Write-\(kind)-Written", String(count))
        }
    }

    var isComplete: Bool { refused + unplaced + outOfBounds == 0 }

    /// For the sender's log.
    var text: String {
        var parts: [String] = []
        if refused > 0 { parts.append("\(refused) samples refused: \(problem ?? "malformed")") }
        if unplaced > 0 {
            var reasons: [String] = []
            if isCrowded || overlongSeries == 0 { reasons.append("active-series") }
            if overlongSeries > 0 { reasons.append("labels, label-name-bytes or label-value-bytes") }
            parts.append(
                "\(unplaced) samples of series beyond the tenant's limit, \(reasons.joined(separator: " and ")) in "
                    + "limits.conf")
        }
        if outOfBounds > 0 { parts.append("\(outOfBounds) samples older than the retention or too far in the future") }
        parts.append("\(stored) samples stored")
        return parts.joined(separator: "; ")
    }
}

/// What of a body can be stored.
struct PushedSamples: Sendable {
    var write: SampleWrite
    var outcome: PushOutcome
}

/// Stores the samples of bodies. Blocks until they are durable, unless it says otherwise.
struct SamplePush: Sendable {
    /// Of a body after inflating, and of one that is not compressed.
    static let inflatedBytesMax = 64 << 20
    /// Of a body as sent.
    static let bodyBytesMax = 32 << 20
    static let expositionLimits = ExpositionLimits(bytesMax: bodyBytesMax, samplesMax: 1_000_000)

    let sink: any SampleSink

    func samples(
        _ body: [UInt8], _ version: RemoteWriteVersion, _ decoder: inout RemoteWriteDecoder
    ) throws -> PushedSamples {
        var columns = SampleColumns()
        let series = sink.series
        let limits = sink.limits
        var room = sink.seriesRemaining
        var outcome = PushOutcome()
        let summary = try decoder.decode(body, version, into: &columns) { key, type in
            guard limits.allow(key) else {
                outcome.overlongSeries += 1
                return nil
            }
            let number = series.add(SeriesDescriptor(key: key, type: type), room: &room)?.rawValue
            if number == nil { outcome.isCrowded = true }
            return number
        }
        outcome.refused = summary.refusedSamples
        outcome.unplaced = summary.unplacedSamples
        outcome.unsupported = summary.histograms
        outcome.problem = summary.problem
        try sink.note(summary.metadata.compactMap(\.kept))
        return PushedSamples(
            write: SampleWrite(series: columns.series, timestamps: columns.timestamps, values: columns.values),
            outcome: outcome)
    }

    func store(_ samples: PushedSamples) throws -> PushOutcome {
        var outcome = samples.outcome
        try store(samples.write, &outcome)
        return outcome
    }

    /// Does not wait: `done` is called once, on any thread, when the samples are durable or cannot be.
    func store(_ samples: PushedSamples, _ done: @escaping @Sendable (Result<PushOutcome, any Error>) -> Void) {
        var (write, outcome) = (samples.write, samples.outcome)
        outcome.outOfBounds += write.remove(outside: sink.writableTimes)
        guard !write.isEmpty else { return done(.success(outcome)) }
        outcome.stored += write.sampleCount
        sink.write(write) { [outcome] result in done(result.map { outcome }) }
    }

    func exposition(_ exposition: Exposition, now: Timestamp) throws -> PushOutcome {
        var outcome = PushOutcome()
        var write = SampleWrite()
        let limits = sink.limits
        var room = sink.seriesRemaining
        for sample in exposition.samples {
            let type = exposition.families[sample.family].type.metricType
            add(
                sample.key, type, sample.timestampMilliseconds ?? now.milliseconds, sample.value, to: &write, &outcome,
                limits, &room)
        }
        try sink.note(exposition.families.compactMap(\.kept))
        try store(write, &outcome)
        return outcome
    }

    func influx(_ batch: InfluxBatch, now: Timestamp) throws -> PushOutcome {
        var outcome = PushOutcome()
        outcome.refused = batch.errorCount
        outcome.unsupported = batch.skippedStringCount
        outcome.problem = batch.errors.first?.description
        var write = SampleWrite()
        let limits = sink.limits
        var room = sink.seriesRemaining
        for sample in batch.samples {
            add(
                sample.key, .unknown, sample.timestampMilliseconds ?? now.milliseconds, sample.value, to: &write,
                &outcome, limits, &room)
        }
        try store(write, &outcome)
        return outcome
    }

    private func add(
        _ key: SeriesKey, _ type: MetricType, _ time: Int64, _ value: Double, to write: inout SampleWrite,
        _ outcome: inout PushOutcome, _ limits: TenantLimits, _ room: inout Int
    ) {
        guard limits.allow(key) else {
            outcome.refused += 1
            outcome.problem =
                outcome.problem
                ?? "a series has more than \(limits.labels) labels, or names or values over \(limits.labelNameBytes) or "
                + "\(limits.labelValueBytes) bytes"
            return
        }
        guard let series = sink.series.add(SeriesDescriptor(key: key, type: type), room: &room) else {
            outcome.unplaced += 1
            outcome.isCrowded = true
            return
        }
        write.begin(series)
        write.append(time, value)
    }

    private func store(_ samples: SampleWrite, _ outcome: inout PushOutcome) throws {
        var samples = samples
        outcome.outOfBounds += samples.remove(outside: sink.writableTimes)
        guard !samples.isEmpty else { return }
        try sink.write(samples)
        outcome.stored += samples.sampleCount
    }
}
