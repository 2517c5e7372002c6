import Hummingbird
import Store
import Telemetry

/// What Prometheus's clients ask to find out what they talk to: metadata, build and cardinality.
func statusRoutes(_ dependencies: APIDependencies, version: String) -> [Route] {
    let (sources, access, pool) = (dependencies.sources, dependencies.access, dependencies.pool)
    return [
        Route(.get, "/api/v1/metadata", .metrics, "types, help and units of metrics; metric, limit") { request in
            try await PrometheusError.answering {
                let tenant = try await request.tenant(access, pool)
                let limit = try request.query.resultLimit()
                let metric = request.query["metric"]
                var known = try await pool.run {
                    knownMetadata(
                        try sources.metrics(of: tenant).metricTypes(), try sources.metricFamilies(of: tenant))
                }
                if let metric { known.removeAll { $0.name != metric } }
                let shown = limit > 0 ? known.prefix(limit) : known[...]
                return .data(
                    .object(
                        shown.map { entry in
                            let metadata: [(String, JSON)] = [
                                ("type", .string(entry.type.exposedName)), ("help", .string(entry.help)),
                                ("unit", .string(entry.unit)),
                            ]
                            return (entry.name, .array([.object(metadata)]))
                        }))
            }
        },
        Route(.get, "/api/v1/status/buildinfo", .metrics, "the API's level and this program's version") { request in
            _ = try await request.tenant(access, pool)
            return .data(
                .object([
                    ("version", .string(prometheusLevel)), ("revision", .string("")), ("branch", .string("")),
                    ("buildUser", .string("")), ("buildDate", .string("")), ("goVersion", .string("")),
                    ("application", .string("stagebox")), ("stageboxVersion", .string(version)),
                ]))
        },
        Route(.get, "/api/v1/status/tsdb", .metrics, "how many series there are, and of what; limit") { request in
            try await PrometheusError.answering {
                let tenant = try await request.tenant(access, pool)
                let limit = try request.query.resultLimit()
                let now = request.now
                let (cardinality, times) = try await pool.run {
                    let source = try sources.metrics(of: tenant)
                    let bounds = source.bounds([[]], in: .distantPast ... .distantFuture) ?? now...now
                    let times = (bounds.lowerBound, bounds.upperBound)
                    return (source.cardinality(top: limit > 0 ? min(limit, 1000) : 10), times)
                }
                return .data(tsdbStatus(cardinality, times))
            }
        },
    ]
}

/// Of every metric that there are series of, what is known of it, and of its family where that has a name of its own
/// (histograms, summaries); ascending by name.
private func knownMetadata(
    _ types: [(name: String, type: MetricType)], _ families: [String: MetricMetadata]
) -> [MetricMetadata] {
    var known: [String: MetricMetadata] = [:]
    for entry in types {
        let short = entry.name.lastIndex(of: "_").flatMap { families[String(entry.name[..<$0])] }
        let family = families[entry.name] ?? short.flatMap { $0.covers(entry.name) ? $0 : nil }
        let type = entry.type == .unknown ? family?.type ?? .unknown : entry.type
        known[entry.name] = MetricMetadata(
            name: entry.name, type: type, unit: family?.unit ?? "", help: family?.help ?? "")
        if let family { known[family.name] = known[family.name] ?? family }
    }
    return known.values.sorted { $0.name < $1.name }
}

/// The version of Prometheus whose API and language this is: clients choose what to ask by it.
let prometheusLevel = "3.5.0"

private func tsdbStatus(_ cardinality: Cardinality, _ times: (first: Timestamp, last: Timestamp)) -> JSON {
    func list(_ counts: [Cardinality.Count]) -> JSON {
        .array(counts.map { .object([("name", .string($0.name)), ("value", .integer(Int64($0.count)))]) })
    }
    return .object([
        (
            "headStats",
            .object([
                ("numSeries", .integer(Int64(cardinality.series))),
                ("numLabelPairs", .integer(Int64(cardinality.labelPairs))), ("chunkCount", .integer(0)),
                ("minTime", .integer(times.first.milliseconds)), ("maxTime", .integer(times.last.milliseconds)),
            ])
        ),
        ("seriesCountByMetricName", list(cardinality.seriesByMetric)),
        ("labelValueCountByLabelName", list(cardinality.valuesByLabel)), ("memoryInBytesByLabelName", .array([])),
        ("seriesCountByLabelValuePair", list(cardinality.seriesByPair)),
    ])
}

extension Response {
    /// `{"status":"success","data":…}`.
    static func data(_ value: JSON) -> Response { .json(.object([("status", .string("success")), ("data", value)])) }
}

extension MetricType {
    /// As Prometheus's metadata names it.
    var exposedName: String {
        switch self {
        case .unknown: "unknown"
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        case .summary: "summary"
        case .info: "info"
        case .stateset: "stateset"
        }
    }
}
