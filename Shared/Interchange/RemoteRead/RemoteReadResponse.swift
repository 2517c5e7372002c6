public import Telemetry

/// Makes the answers of Prometheus remote read, series by series; each query's series ascend by their labels.
///
///     ReadResponse         results 1 (QueryResult: timeseries 1, as in remote write), one for each query
///     ChunkedReadResponse  chunked_series 1 (labels 1, chunks 2), query_index 2
///     Chunk                min_time_ms 1, max_time_ms 2, type 3 (1: XOR), data 4
///
/// Of the streamed form each message stands in a frame: its length (varint), the CRC-32C of its bytes (big-endian),
/// its bytes.
public enum RemoteReadResponse {
    /// Samples of a chunk, as many as Prometheus puts into one.
    public static let chunkSamples = 120
    /// A frame's chunks are cut off beyond this; a series may need several frames.
    public static let frameBytesMax = 1 << 20

    /// A field of a `QueryResult`: one series with its samples.
    public static func series(_ key: SeriesKey, _ timestamps: [Int64], _ values: [Double]) -> [UInt8] {
        var series = labels(key)
        for (timestamp, value) in zip(timestamps, values) {
            var sample = ProtobufWriter()
            // As in proto3, zeros are left out; not those below zero, which readers tell apart.
            if value.bitPattern != 0 { sample.double(1, value) }
            if timestamp != 0 { sample.varint(2, UInt64(bitPattern: timestamp)) }
            series.bytes(2, sample.bytes)
        }
        var field = ProtobufWriter()
        field.bytes(1, series.bytes)
        return field.bytes
    }

    /// A field of the `ReadResponse`: a query's result.
    /// - Parameter series: what ``series(_:_:_:)`` made, joined.
    public static func result(_ series: [UInt8]) -> [UInt8] {
        var field = ProtobufWriter()
        field.bytes(1, series)
        return field.bytes
    }

    /// The frames of one series.
    /// - Parameter timestamps: strictly ascending.
    public static func frames(
        _ key: SeriesKey, _ timestamps: [Int64], _ values: [Double], query: Int
    ) -> [UInt8] {
        let named = labels(key)
        var frames: [UInt8] = []
        var series = named
        var start = 0
        while start < timestamps.count {
            let end = min(timestamps.count, start + chunkSamples)
            var chunk = ProtobufWriter()
            chunk.varint(1, UInt64(bitPattern: timestamps[start]))
            chunk.varint(2, UInt64(bitPattern: timestamps[end - 1]))
            chunk.varint(3, 1)
            chunk.bytes(4, XORChunk.encode(timestamps[start..<end], values[start..<end]))
            series.bytes(2, chunk.bytes)
            start = end
            guard start == timestamps.count || series.bytes.count >= frameBytesMax else { continue }
            append(series.bytes, query, to: &frames)
            series = named
        }
        return frames
    }

    private static func append(_ series: [UInt8], _ query: Int, to frames: inout [UInt8]) {
        var message = ProtobufWriter()
        message.bytes(1, series)
        if query != 0 { message.varint(2, UInt64(query)) }
        var length = ProtobufWriter()
        length.packedVarint(UInt64(message.bytes.count))
        frames += length.bytes
        let checksum = CRC32C.checksum(message.bytes)
        for shift in [24, 16, 8, 0] { frames.append(UInt8(truncatingIfNeeded: checksum >> UInt32(shift))) }
        frames += message.bytes
    }

    private static func labels(_ key: SeriesKey) -> ProtobufWriter {
        var series = ProtobufWriter()
        for label in key.labels {
            var field = ProtobufWriter()
            field.bytes(1, label.name.utf8)
            field.bytes(2, label.value.utf8)
            series.bytes(1, field.bytes)
        }
        return series
    }
}

/// CRC-32 with Castagnoli's polynomial, reflected 0x82F63B78 (RFC 3720, appendix B.4).
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { rest, _ in rest & 1 == 1 ? rest >> 1 ^ 0x82f6_3b78 : rest >> 1 }
    }

    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { rest, byte in rest >> 8 ^ table[Int(UInt8(truncatingIfNeeded: rest) ^ byte)] }
    }
}
