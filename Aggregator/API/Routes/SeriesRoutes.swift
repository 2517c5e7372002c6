import HTTPTypes
import Hummingbird
import PromQL
import Store
import Telemetry

/// Selectors in one request.
let selectorsMax = 32
/// Series listed by one request.
let seriesListedMax = 100_000

func seriesRoutes(_ dependencies: APIDependencies) -> [Route] {
    let (sources, access, pool) = (dependencies.sources, dependencies.access, dependencies.pool)
    let listing = [HTTPRequest.Method.get, .post].flatMap { method in
        [
            Route(method, "/api/v1/series", .metrics, "series that match; match[]=, start, end, limit") { request in
                try await PrometheusError.answering {
                    let tenant = try await request.tenant(access, pool)
                    let parameters = try await request.form()
                    let selectors = try parameters.selectors(required: true)
                    let range = try parameters.listedRange(now: request.now)
                    let limit = try parameters.resultLimit()
                    let shown = limit > 0 ? min(limit, seriesListedMax) : seriesListedMax
                    let found = try await pool.run {
                        try sources.metrics(of: tenant).series(selectors, in: range, limit: shown)
                    }
                    return .series(found.entries, isCut: found.count > shown)
                }
            },
            Route(method, "/api/v1/labels", .metrics, "label names; match[]=, start, end, limit") { request in
                try await PrometheusError.answering {
                    let tenant = try await request.tenant(access, pool)
                    let parameters = try await request.form()
                    let selectors = try parameters.selectors(required: false)
                    let range = try parameters.listedRange(now: request.now)
                    let names = try await pool.run {
                        let source = try sources.metrics(of: tenant)
                        return selectors.reduce(into: Set<String>()) { $0.formUnion(source.labelNames($1, in: range)) }
                            .sorted()
                    }
                    return .listing(names, limit: try parameters.resultLimit())
                }
            },
        ]
    }
    return listing + [
        Route(.get, "/api/v1/label/{name}/values", .metrics, "a label's values; match[]=, start, end, limit") {
            request in
            try await PrometheusError.answering {
                let tenant = try await request.tenant(access, pool)
                let name = LabelNameText.decode(
                    try Query.decode(Substring(request.context.parameters.require("name"))))
                guard !name.isEmpty, name.utf8.count <= SeriesLimits.labelNameBytesMax else {
                    throw Problem(.invalidRequest, "a label name has 1 to \(SeriesLimits.labelNameBytesMax) bytes")
                }
                let selectors = try request.query.selectors(required: false)
                let range = try request.query.listedRange(now: request.now)
                let values = try await pool.run {
                    let source = try sources.metrics(of: tenant)
                    return selectors.reduce(into: Set<String>()) {
                        $0.formUnion(source.labelValues(name, $1, in: range))
                    }.sorted()
                }
                return .listing(values, limit: try request.query.resultLimit())
            }
        }
    ]
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
        return texts.isEmpty ? [[]] : try texts.map { try SelectorError.parsing($0) }
    }

    /// `start` to `end` of a listing, which costs little whatever it spans: by default everything.
    func listedRange(now: Timestamp) throws -> ClosedRange<Timestamp> {
        let start = try prometheusTime("start") ?? .distantPast
        let end = try prometheusTime("end") ?? .distantFuture
        guard start <= end else {
            throw PrometheusError(
                .badData, "invalid parameter \"end\": end timestamp must not be before start time")
        }
        return start...end
    }
}

extension Response {
    /// As Prometheus's API lists names.
    static func listing(_ texts: [String], limit: Int) -> Response {
        let isCut = limit > 0 && texts.count > limit
        let shown = isCut ? texts.prefix(limit) : texts[...]
        var members: [(String, JSON)] = [
            ("status", .string("success")), ("data", .array(shown.map { .string($0) })),
        ]
        if isCut { members.append(("warnings", .array([.string("results truncated due to limit")]))) }
        return .json(.object(members))
    }

    fileprivate static func series(_ entries: [SeriesIndex.Entry], isCut: Bool) -> Response {
        var writer = JSONWriter()
        writer.raw("{\"status\":\"success\",\"data\":[")
        for (index, entry) in entries.enumerated() {
            if index > 0 { writer.byte(",") }
            writer.write(labels: entry.descriptor.key)
        }
        writer.raw("]")
        if isCut { writer.raw(",\"warnings\":[\"results truncated due to limit\"]") }
        writer.raw("}")
        return .prometheus(writer.bytes)
    }
}

/// Label names in a URL's path: those with characters beyond the classic ones are escaped as `U__…`.
enum LabelNameText {
    /// `U__http_2e_status` is `http.status`: `__` an underscore, `_<hex>_` a character. Other names are as they are.
    static func decode(_ text: String) -> String {
        guard text.hasPrefix("U__") else { return text }
        var decoded = ""
        var rest = text.dropFirst(3)
        while let character = rest.popFirst() {
            guard character == "_" else {
                decoded.append(character)
                continue
            }
            if rest.first == "_" {
                rest.removeFirst()
                decoded.append("_")
                continue
            }
            let digits = rest.prefix { $0 != "_" }
            guard digits.count <= 6, let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value),
                rest.dropFirst(digits.count).first == "_"
            else { return text }
            rest = rest.dropFirst(digits.count + 1)
            decoded.unicodeScalars.append(scalar)
        }
        return decoded
    }
}
