import HTTPTypes
import Hummingbird
import PromQL
import Telemetry

/// Parameters as Prometheus's HTTP API takes them: in the URL, and for POST also in a form.
extension APIRequest {
    /// Of a form.
    static let formBytesMax = 1 << 20

    /// The parameters of the URL and, of a POST with a form, those of the body first.
    func form() async throws -> Query {
        guard request.method == .post else { return query }
        let type = request.headers[.contentType] ?? ""
        guard type.hasPrefix("application/x-www-form-urlencoded") else {
            let body = try await body(upTo: Self.formBytesMax)
            guard body.isEmpty else {
                throw Problem(.invalidRequest, "send the parameters as application/x-www-form-urlencoded")
            }
            return query
        }
        let body = String(decoding: try await body(upTo: Self.formBytesMax), as: UTF8.self)
        return try Query(body, bytesMax: Self.formBytesMax).followed(by: query)
    }
}

extension Query {
    func required(_ name: String) throws -> String {
        guard let text = self[name], !text.isEmpty else {
            throw PrometheusError(.badData, "invalid parameter \"\(name)\": it is missing")
        }
        return text
    }

    /// A time, RFC 3339 or Unix seconds.
    func prometheusTime(_ name: String) throws -> Timestamp? {
        guard let text = self[name], !text.isEmpty else { return nil }
        guard let time = TimeText.parse(text) else {
            throw PrometheusError(
                .badData, "invalid parameter \"\(name)\": cannot parse \"\(text.prefix(64))\" to a valid timestamp")
        }
        return time
    }

    /// Milliseconds, of a duration such as `5m` or a number of seconds.
    func duration(_ name: String) throws -> Int64? {
        guard let text = self[name], !text.isEmpty else { return nil }
        if let seconds = Double(text) {
            guard seconds.isFinite, abs(seconds) < 1e15 else {
                throw PrometheusError(
                    .badData,
                    "invalid parameter \"\(name)\": cannot parse \"\(text.prefix(64))\" to a valid duration. It "
                        + "overflows int64")
            }
            return Int64((seconds * 1000).rounded())
        }
        guard let milliseconds = DurationText.milliseconds(text) else {
            throw PrometheusError(
                .badData, "invalid parameter \"\(name)\": cannot parse \"\(text.prefix(64))\" to a valid duration")
        }
        return milliseconds
    }
}
