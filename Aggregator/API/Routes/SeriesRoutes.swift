import HTTPTypes
import Hummingbird
import Store
import Telemetry

/// Selectors in one request.
let selectorsMax = 32
/// Series listed by one request.
let seriesListedMax = 100_000

func seriesRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (sources, access, pool) = (dependencies.sources, dependencies.access, dependencies.pool)
    return [
        Route(.get, "/api/v1/series", .metrics, "series that match; match[]=, start, end, limit") { request in
            let tenant = try await request.tenant(access, pool)
            let selectors = try request.query.selectors(required: true)
            let range = try request.query.range(now: request.now)
            let limit = try request.query.limit(max: seriesListedMax)
            let found = try await pool.run {
                let source = try sources.metrics(of: tenant)
                return union(source, selectors, range)
            }
            var writer = JSONWriter()
            writer.raw("{\"status\":\"success\",\"data\":[")
            for (index, entry) in found.prefix(limit).enumerated() {
                if index > 0 { writer.byte(",") }
                writer.write(labels: entry.descriptor.key)
            }
            writer.raw("]")
            if found.count > limit { writer.raw(",\"warnings\":[\"results truncated due to limit\"]") }
            writer.raw("}")
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
        },
        Route(.get, "/api/v1/labels", .metrics, "label names; match[]=, start, end") { request in
            let tenant = try await request.tenant(access, pool)
            let selectors = try request.query.selectors(required: false)
            let range = try request.query.range(now: request.now)
            let names = try await pool.run {
                let source = try sources.metrics(of: tenant)
                return selectors.reduce(into: Set<String>()) { $0.formUnion(source.labelNames($1, in: range)) }.sorted()
            }
            return .listing(names)
        },
        Route(.get, "/api/v1/label/{name}/values", .metrics, "a label's values; match[]=, start, end") { request in
            let tenant = try await request.tenant(access, pool)
            let name = try Query.decode(Substring(request.context.parameters.require("name")))
            guard !name.isEmpty, name.utf8.count <= SeriesLimits.labelNameBytesMax else {
                throw Problem(.invalidRequest, "a label name has 1 to \(SeriesLimits.labelNameBytesMax) bytes")
            }
            let selectors = try request.query.selectors(required: false)
            let range = try request.query.range(now: request.now)
            let values = try await pool.run {
                let source = try sources.metrics(of: tenant)
                return selectors.reduce(into: Set<String>()) { $0.formUnion(source.labelValues(name, $1, in: range)) }
                    .sorted()
            }
            return .listing(values)
        },
    ]
}

/// Each series once, by id.
func union(
    _ source: any SeriesSource, _ selectors: [[LabelMatcher]], _ range: ClosedRange<Timestamp>
) -> [SeriesIndex.Entry] {
    guard selectors.count > 1 else { return selectors.first.map { source.series($0, in: range) } ?? [] }
    var entries: [SeriesID: SeriesIndex.Entry] = [:]
    for selector in selectors { for entry in source.series(selector, in: range) { entries[entry.id] = entry } }
    return entries.values.sorted { $0.id < $1.id }
}

extension Query {
    /// `match[]`, parsed. Without any: one that matches every series.
    func selectors(required: Bool) throws -> [[LabelMatcher]] {
        let texts = all("match[]")
        guard !texts.isEmpty || !required else {
            throw Problem(.invalidRequest, "match[] is missing: give at least one selector, such as match[]=node_load1")
        }
        guard texts.count <= selectorsMax else {
            throw Problem(.invalidRequest, "at most \(selectorsMax) match[] selectors")
        }
        return texts.isEmpty ? [[]] : try texts.map { try Selector.parse($0) }
    }

    func limit(max: Int) throws -> Int {
        guard let text = self["limit"] else { return max }
        guard let limit = Int(text), limit > 0 else { throw Problem(.invalidRequest, "limit: a whole number above 0") }
        return min(limit, max)
    }
}

extension Response {
    /// As Prometheus's API lists names.
    static func listing(_ texts: [String]) -> Response {
        .json(.object([("status", .string("success")), ("data", .array(texts.map { .string($0) }))]))
    }
}
