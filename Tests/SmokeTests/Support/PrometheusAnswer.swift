import Foundation
import MQTT
import PromQL
import Telemetry

/// What a server of Prometheus' HTTP API answered to a query.
struct PrometheusAnswer {
    let value: QueryValue
    let warnings: [String]
    let infos: [String]

    /// The server said no.
    struct Refusal: Error, CustomStringConvertible {
        let status: Int
        let type: String
        let message: String
        /// Without the name of the parameter, as engines word it.
        var description: String {
            let prefix = "invalid parameter \"query\": "
            return message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message
        }
    }
    struct Malformed: Error, CustomStringConvertible {
        let description: String
        init(_ text: String) { description = "no answer of Prometheus' API: \(text.prefix(500))" }
    }

    init(status: Int, body: [UInt8]) throws {
        let text = String(decoding: body, as: UTF8.self)
        guard let answer = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any] else {
            throw Malformed("\(status) \(text)")
        }
        guard answer["status"] as? String == "success" else {
            throw Refusal(
                status: status, type: answer["errorType"] as? String ?? "", message: answer["error"] as? String ?? text)
        }
        guard let data = answer["data"] as? [String: Any], let type = data["resultType"] as? String else {
            throw Malformed(text)
        }
        value = try Self.value(type, data["result"])
        warnings = answer["warnings"] as? [String] ?? []
        infos = answer["infos"] as? [String] ?? []
    }

    private static func value(_ type: String, _ result: Any?) throws -> QueryValue {
        switch type {
        case "scalar":
            let (time, text) = try sample(result)
            return .scalar(try number(text), time: time)
        case "string":
            let (time, text) = try sample(result)
            return .string(text, time: time)
        case "vector":
            var vector = InstantVector(labels: [], values: [], time: 0)
            for entry in result as? [[String: Any]] ?? [] {
                let (time, text) = try sample(entry["value"])
                vector.labels.append(labels(entry["metric"]))
                vector.values.append(try number(text))
                vector.time = time
            }
            return .vector(vector)
        case "matrix":
            var matrix = Matrix(series: [])
            for entry in result as? [[String: Any]] ?? [] {
                var series = Matrix.Series(labels: labels(entry["metric"]), timestamps: [], values: [])
                for pair in entry["values"] as? [Any] ?? [] {
                    let (time, text) = try sample(pair)
                    series.timestamps.append(time)
                    series.values.append(try number(text))
                }
                matrix.series.append(series)
            }
            return .matrix(matrix)
        default: throw Malformed("result type \(type)")
        }
    }

    private static func sample(_ value: Any?) throws -> (Int64, String) {
        guard let pair = value as? [Any], pair.count == 2, let time = pair[0] as? Double, let text = pair[1] as? String
        else { throw Malformed("\(value ?? "nothing") is no sample") }
        return (Int64((time * 1000).rounded()), text)
    }

    private static func number(_ text: String) throws -> Double {
        guard let value = Double(text) else { throw Malformed("\(text) is no number") }
        return value
    }

    private static func labels(_ value: Any?) -> LabelSet {
        LabelSet(SeriesKey(labels: (value as? [String: String] ?? [:]).map { Label($0.key, $0.value) }))
    }
}

/// A server that is asked and pushed to as Prometheus is.
struct PrometheusClient {
    let port: UInt16
    var headers: [(name: String, value: String)] = []
    /// Parameters that every request carries.
    var parameters: [(String, String)] = []

    static func encode(_ parameters: [(String, String)]) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        return parameters.map { name, value in
            "\(name.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")="
                + "\(value.addingPercentEncoding(withAllowedCharacters: allowed) ?? "")"
        }.joined(separator: "&")
    }

    private func path(_ path: String, _ parameters: [(String, String)]) -> String {
        let all = Self.encode(self.parameters + parameters)
        return all.isEmpty ? path : "\(path)?\(all)"
    }

    func get(_ path: String, _ parameters: [(String, String)] = []) throws -> (status: Int, body: [UInt8]) {
        let answer = try HTTPLoopback.send("GET", self.path(path, parameters), headers: headers, port: port)
        return (answer.status, answer.body)
    }

    func post(_ path: String, form: [(String, String)]) throws -> (status: Int, body: [UInt8]) {
        let answer = try HTTPLoopback.send(
            "POST", self.path(path, []),
            headers: headers + [("Content-Type", "application/x-www-form-urlencoded")],
            body: Array(Self.encode(form).utf8), port: port)
        return (answer.status, answer.body)
    }

    func push(_ path: String, _ body: [UInt8], _ extra: [(name: String, value: String)]) throws -> (Int, String) {
        let answer = try HTTPLoopback.send(
            "POST", self.path(path, []), headers: headers + extra, body: body, port: port)
        return (answer.status, answer.text)
    }

    /// - Parameter usesForm: POST rather than GET.
    func query(_ path: String, _ parameters: [(String, String)], usesForm: Bool = false) throws -> PrometheusAnswer {
        let answer = try usesForm ? post(path, form: parameters) : get(path, parameters)
        return try PrometheusAnswer(status: answer.status, body: answer.body)
    }

    /// Seconds, as exact as milliseconds are.
    static func seconds(_ milliseconds: Int64) -> String {
        let sign = milliseconds < 0 ? "-" : ""
        let (whole, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
        let digits = String(rest)
        return "\(sign)\(whole)." + String(repeating: "0", count: 3 - digits.count) + digits
    }
}
