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
        write: ([UInt8]) throws -> Void
    ) throws {
        var text = ResultText(result, seriesMax: seriesMax, statistics: statistics)
        while let piece = text.next() { try write(piece) }
    }

    static func encode(_ statistics: QueryStatistics, _ json: inout JSONBytes) {
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
        var bytes: [UInt8] = []
        var text = ResultText(result, seriesMax: seriesMax, statistics: statistics)
        while let piece = text.next() { bytes += piece }
        return bytes
    }

    private final class Sink {
        var bytes: [UInt8] = []
    }

    static func encode(_ annotations: Annotations, _ json: inout JSONBytes) {
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
