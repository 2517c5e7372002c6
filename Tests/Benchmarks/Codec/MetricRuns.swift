import Compression
import Telemetry
import TestSupport
import WireFormat

extension CodecBenchmark {
    static func blocks(_ recording: ProcRecording, _ label: String, ticks: Int) throws {
        let series = (0..<UInt32(recording.values.count)).map { $0 }
        let tables = [TableReference(hash: TableHash(high: .zero, low: .zero), count: UInt32(series.count))]
        let batches = stride(from: 0, to: recording.timestamps.count / ticks * ticks, by: ticks).map { start in
            MetricBatch(groups: [
                MetricBatch.Group(
                    timestamps: Array(recording.timestamps[start..<start + ticks]), series: series,
                    values: recording.matrix(start..<start + ticks))
            ])
        }
        let samples = Double(batches.count * ticks * series.count)
        let encoder = MetricBlockEncoder()
        let body = try BlockBody()
        var blocks: [[UInt8]] = []
        let encode = try best {
            blocks.removeAll(keepingCapacity: true)
            for batch in batches { blocks.append(try encoder.encode(batch, tables: tables)) }
        }
        var bodies: [[UInt8]] = []
        let compress = try best {
            bodies.removeAll(keepingCapacity: true)
            for block in blocks { bodies.append(try body.compress(block)) }
        }
        let decoder = MetricBlockDecoder()
        let decode = try best { for block in blocks { try decoder.decode(block) } }
        let inflate = try best { for body2 in bodies { _ = try body.decompress(body2) } }
        // The sealed size: header, length, padding to a sixteenth, tag.
        let sealed = bodies.reduce(0) { $0 + 150 + BodyFrame.framedBytes($1.count) }
        report(
            label,
            [
                ("raw B/sample", Double(blocks.reduce(0) { $0 + $1.count }) / samples, 3),
                ("zstd B/sample", Double(bodies.reduce(0) { $0 + $1.count }) / samples, 3),
                ("sealed (150 B header and tag) B/sample", Double(sealed) / samples, 3),
                ("encode ns", encode / samples * 1e9, 2), ("zstd ns", compress / samples * 1e9, 2),
                ("inflate ns", inflate / samples * 1e9, 2), ("decode ns", decode / samples * 1e9, 2),
            ])
    }

    /// - Parameter all: by series, then by timestamp.
    static func chunks(_ timestamps: [Int64], _ all: [[Double]], _ label: String, ticks: Int, level: Int) throws {
        let seriesCount = all.count
        let starts = stride(from: 0, to: timestamps.count / ticks * ticks, by: ticks)
        let peer = try NaivePeer(samplesMax: ticks * seriesCount)
        defer { peer.free() }
        var peerBytes = 0
        let naive = try best(5) {
            peerBytes = try starts.reduce(0) { try $0 + peer.encode(all, $1..<$1 + ticks).compressed }
        }
        let encoder = try ChunkGroupEncoder(level: level)
        let decompressor = try ZstdDecompressor()
        var groups: [[UInt8]] = []
        let encode = try best(5) {
            groups.removeAll(keepingCapacity: true)
            for start in starts {
                encoder.begin(timelines: [Array(timestamps[start..<start + ticks])], seriesMax: seriesCount)
                for series in 0..<seriesCount {
                    try all[series].withUnsafeBufferPointer {
                        try encoder.add(
                            series: UInt64(series), timeline: 0,
                            values: UnsafeBufferPointer(rebasing: $0[start..<start + ticks]))
                    }
                }
                groups.append(try encoder.finish())
            }
        }
        let values = UnsafeMutablePointer<Double>.allocate(capacity: ticks)
        defer { values.deallocate() }
        let decode = try best(5) {
            for group in groups {
                let reader = try ChunkGroupReader(group, decompressor: decompressor)
                for series in 0..<seriesCount { try reader.read(series, into: values) }
            }
        }
        let middle = seriesCount / 3
        let single = try best(5) {
            for group in groups {
                try ChunkGroupReader(group, decompressor: decompressor).read(middle, into: values)
            }
        }
        let samples = Double(groups.count * ticks * seriesCount)
        report(
            label,
            [
                ("B/sample", Double(groups.reduce(0) { $0 + $1.count }) / samples, 4),
                ("encode+zstd ns", encode / samples * 1e9, 2), ("decode ns", decode / samples * 1e9, 2),
                ("M samples/s encode", samples / encode / 1e6, 0),
                ("one series of a group us", single / Double(groups.count) * 1e6, 0),
                ("naive delta varint + zstd-1: B/sample", Double(peerBytes) / samples, 4),
                ("M samples/s", samples / naive / 1e6, 0), ("our speed / its", naive / encode, 2),
            ])
    }
}
