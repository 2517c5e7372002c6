import Foundation

/// The aggregator's answer to a query.
struct QueryAnswer {
    struct Series {
        /// With `__name__`.
        var labels: [String: String]
        /// Unix seconds and the value as it was written.
        var samples: [(time: Double, text: String)]

        var name: String { labels["__name__"] ?? "" }
        /// `name{a="b"}`.
        var description: String {
            let rest = labels.filter { $0.key != "__name__" }.sorted { $0.key < $1.key }
                .map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ", ")
            return Terminal.clean(rest.isEmpty && !name.isEmpty ? name : "\(name){\(rest)}")
        }
    }
    enum Value {
        case number(String)
        case text(String)
        case vector([Series])
        case matrix([Series])
    }
    let value: Value
    let warnings: [String]
    let infos: [String]

    init(_ body: [UInt8]) throws {
        guard let answer = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any],
            let data = answer["data"] as? [String: Any], let type = data["resultType"] as? String
        else { throw CommandFailure("the aggregator's answer is none of a query") }
        warnings = answer["warnings"] as? [String] ?? []
        infos = answer["infos"] as? [String] ?? []
        let rows = data["result"] as? [[String: Any]] ?? []
        switch type {
        case "scalar": value = .number(Self.sample(data["result"])?.text ?? "")
        case "string": value = .text(Self.sample(data["result"])?.text ?? "")
        case "vector":
            value = .vector(
                rows.map { row in
                    Series(
                        labels: row["metric"] as? [String: String] ?? [:],
                        samples: Self.sample(row["value"]).map { [$0] } ?? [])
                })
        default:
            value = .matrix(
                rows.map { row in
                    Series(
                        labels: row["metric"] as? [String: String] ?? [:],
                        samples: (row["values"] as? [Any] ?? []).compactMap(Self.sample))
                })
        }
    }

    private static func sample(_ value: Any?) -> (time: Double, text: String)? {
        guard let pair = value as? [Any], pair.count == 2, let time = pair[0] as? Double, let text = pair[1] as? String
        else { return nil }
        return (time, text)
    }
}

/// Unix seconds as people read them, in UTC.
enum ClockText {
    static func full(_ seconds: Double) -> String { text(seconds, "%Y-%m-%d %H:%M:%S") }
    static func time(_ seconds: Double) -> String { text(seconds, "%H:%M:%S") }

    private static func text(_ seconds: Double, _ format: String) -> String {
        var time = time_t(seconds.rounded(.down))
        var parts = tm()
        gmtime_r(&time, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let count = strftime(&buffer, buffer.count, format, &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
