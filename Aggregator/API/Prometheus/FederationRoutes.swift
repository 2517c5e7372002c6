import Access
import HTTPTypes
import Hummingbird
import Interchange
import PromQL
import Store
import Telemetry

/// `/federate` as a Prometheus offers it, so that another one scrapes chosen series with their times.
func federationRoutes(_ dependencies: APIDependencies, _ bounds: QueryBounds) -> [Route] {
    let (access, pool) = (dependencies.access, dependencies.pool)
    return [
        Route(
            .get, "/federate", .metrics,
            "the last sample of each matching series within 5 minutes, for scrapers; match[]="
        ) { request in
            try await PrometheusError.answering {
                let tenant = try await request.tenant(access, pool)
                let selectors = try request.query.selectors(required: true)
                let accept = request.request.headers[.accept]
                // Seconds with fractions, as OpenMetrics has them, lose a millisecond in some scrapers.
                let format = ExpositionFormat.negotiated(accept: accept, prefersText: true)
                let now = request.now.milliseconds
                let sources = bounds.sources
                let federation = try await bounds.run(tenant) { limits, interruption in
                    Passenger(
                        try Federation(
                            sources.queries(of: tenant), selectors, at: now, format, seriesMax: limits.querySamples
                        ) { interruption.error })
                }
                return .streamed(format.contentType) { try await bounds.piece(tenant) { federation.value.next() } }
            }
        }
    ]
}

/// The text of one federation: read when it is made, written while it is asked for.
///
/// Like Prometheus: series grouped by name, ascending, of no particular type; times as stored; series that have ended
/// are left out; a series without `instance` gets an empty one, so that a scraper that honours labels adds none.
struct Federation {
    /// Milliseconds; left-open, as an instant vector's look-back.
    static let lookback: Int64 = 300_000
    /// A piece is handed on when it is at least this long.
    static let pieceBytesMin = 64 << 10

    private struct Sample {
        let selection: Int
        let position: Int
        let time: Int64
        let value: Double
    }
    private let selections: [any SeriesSelection]
    /// By metric name; names ascending.
    private let metrics: [(name: String, samples: [Sample])]
    private var writer: ExpositionWriter
    private var metric = 0
    /// Within the metric.
    private var place = 0
    /// Series of the metric that were written, where several selectors may match one.
    private var seen = Set<SeriesKey>()
    private var isFinished = false

    /// Reads the samples: 40 B for each series.
    /// - Parameters:
    ///   - now: milliseconds.
    ///   - interruption: asked now and then.
    /// - Throws: ``QueryError`` `limit` beyond `seriesMax`; what the source throws.
    init(
        _ source: any SeriesSource, _ selectors: [[LabelMatcher]], at now: Int64, _ format: ExpositionFormat,
        seriesMax: Int, interruption: () -> QueryError?
    ) throws {
        var selections: [any SeriesSelection] = []
        var metrics: [String: [Sample]] = [:]
        var count = 0
        var buffer = SampleBuffer()
        for matchers in selectors {
            let selection = try source.select(
                SeriesRequest(
                    matchers: matchers, range: now - Self.lookback + 1...now,
                    hints: SelectHints(needsOnlyLast: true)))
            count += selection.count
            guard count <= seriesMax else {
                throw QueryError(.limit, "more than \(seriesMax) series match: narrow match[], or ask in parts")
            }
            var reader = try selection.makeReader()
            // In the order of positions, which is the one that reads fast.
            for start in stride(from: 0, to: selection.count, by: 1024) {
                if let error = interruption() { throw error }
                let positions = start..<min(selection.count, start + 1024)
                let names = selection.labels(at: Array(positions), keeping: [SeriesKey.nameLabel])
                buffer.removeAll()
                try reader.readLast(positions, into: &buffer)
                for position in positions {
                    let (time, value) = (buffer.timestamps[position - start], buffer.values[position - start])
                    guard time != SampleBuffer.none, !StalenessMarker.isStale(value) else { continue }
                    metrics[names[position - start].name, default: []].append(
                        Sample(selection: selections.count, position: position, time: time, value: value))
                }
            }
            selections.append(selection)
        }
        self.selections = selections
        self.metrics = metrics.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        writer = ExpositionWriter(format)
    }

    /// - Returns: nil at the end.
    mutating func next() -> [UInt8]? {
        guard !isFinished else { return nil }
        while metric < metrics.count, writer.bytes.count < Self.pieceBytesMin {
            let (name, samples) = metrics[metric]
            if place == 0 { writer.family(MetricFamily(name: name)) }
            write(samples[place])
            place += 1
            guard place == samples.count else { continue }
            metric += 1
            place = 0
            seen.removeAll(keepingCapacity: true)
        }
        guard metric == metrics.count else { return writer.take() }
        isFinished = true
        return writer.finish()
    }

    private mutating func write(_ sample: Sample) {
        let key = selections[sample.selection].labels(at: sample.position)
        guard selections.count == 1 || seen.insert(key).inserted else { return }
        var labels = key.labels
        if key["instance"] == nil { labels.append(Label("instance", "")) }
        writer.sample(name: key.name, labels: labels, sample.value, timestampMilliseconds: sample.time)
    }
}
