import Telemetry

/// Writes answers as Prometheus' HTTP API does (`/api/v1/query`, `/api/v1/query_range`), byte for byte.
///
///     {"status":"success","data":{"resultType":"vector","result":[{"metric":{…},"value":[1.5,"2"]}]},"infos":[…]}
package enum ResultEncoder {
    /// - Parameters:
    ///   - seriesMax: more series are left out, with a warning, as `limit` asks for; nil: none.
    ///   - statistics: told with the result, as `stats` asks for.
    ///   - write: takes the text in pieces of about 64 KiB.
    package static func encode(
        _ result: QueryResult, seriesMax: Int? = nil, statistics: QueryStatistics? = nil,
        write: @escaping ([UInt8]) throws -> Void
    ) throws {
        var json = JSONBytes(write)
        var annotations = result.annotations
        json.raw("{\"status\":\"success\",\"data\":{\"resultType\":")
        json.string(result.value.type.rawValue)
        json.raw(",\"result\":")
        switch result.value {
        case .scalar(let value, let time):
            json.sample(time, value)
        case .string(let text, let time):
            json.raw("[")
            json.seconds(time)
            json.raw(",")
            json.string(text)
            json.raw("]")
        case .vector(let vector):
            let count = shown(vector.count, seriesMax, &annotations)
            encode(vector, count, &json)
        case .matrix(let matrix):
            let count = shown(matrix.series.count, seriesMax, &annotations)
            encode(matrix, count, &json)
        }
        if let statistics { encode(statistics, &json) }
        json.raw("}")
        encode(annotations, &json)
        json.raw("}")
        try json.finish()
    }

    private static func encode(_ statistics: QueryStatistics, _ json: inout JSONBytes) {
        json.raw(",\"stats\":{\"timings\":{")
        for (index, timing) in statistics.timings.enumerated() {
            if index > 0 { json.raw(",") }
            json.string(timing.name)
            json.raw(":")
            json.number(timing.seconds)
        }
        json.raw("},\"samples\":{\"totalQueryableSamples\":")
        json.integer(Int64(statistics.samplesRead))
        json.raw("}}")
    }

    /// An error's answer: `{"status":"error","errorType":"bad_data","error":"…"}`.
    package static func error(_ type: String, _ message: String) -> [UInt8] {
        let sink = Sink()
        var json = JSONBytes { sink.bytes += $0 }
        json.raw("{\"status\":\"error\",\"errorType\":")
        json.string(type)
        json.raw(",\"error\":")
        json.string(message)
        json.raw("}")
        // The sink takes everything.
        try? json.finish()
        return sink.bytes
    }

    /// The whole answer at once, for small ones and tests.
    package static func bytes(
        _ result: QueryResult, seriesMax: Int? = nil, statistics: QueryStatistics? = nil
    ) -> [UInt8] {
        let sink = Sink()
        // The sink takes everything.
        try? encode(result, seriesMax: seriesMax, statistics: statistics) { sink.bytes += $0 }
        return sink.bytes
    }

    private final class Sink {
        var bytes: [UInt8] = []
    }

    private static func shown(_ count: Int, _ seriesMax: Int?, _ annotations: inout Annotations) -> Int {
        guard let seriesMax, seriesMax > 0, count > seriesMax else { return count }
        annotations.warn("results truncated due to limit")
        return seriesMax
    }

    private static func encode(_ vector: InstantVector, _ count: Int, _ json: inout JSONBytes) {
        json.raw("[")
        for index in 0..<count {
            if index > 0 { json.raw(",") }
            json.raw("{\"metric\":")
            json.labels(vector.labels[index])
            json.raw(",\"value\":")
            json.sample(vector.time, vector.values[index])
            json.raw("}")
        }
        json.raw("]")
    }

    private static func encode(_ matrix: Matrix, _ count: Int, _ json: inout JSONBytes) {
        json.raw("[")
        for (index, series) in matrix.series.prefix(count).enumerated() {
            if index > 0 { json.raw(",") }
            json.raw("{\"metric\":")
            json.labels(series.labels)
            json.raw(",\"values\":[")
            for position in series.values.indices {
                if position > 0 { json.raw(",") }
                json.sample(series.timestamps[position], series.values[position])
            }
            json.raw("]}")
        }
        json.raw("]")
    }

    private static func encode(_ annotations: Annotations, _ json: inout JSONBytes) {
        if !annotations.warnings.isEmpty {
            json.raw(",\"warnings\":")
            json.strings(annotations.warnings)
        }
        if !annotations.infos.isEmpty {
            json.raw(",\"infos\":")
            json.strings(annotations.infos)
        }
    }
}
