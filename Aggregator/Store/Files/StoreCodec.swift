import Compression
package import Telemetry
import WireFormat

/// interim
package enum StoreCodec {
    static func decodeTable(_ bytes: [UInt8]) throws -> [SeriesDescriptor] { throw WireError.invalid("interim") }
    package static func encodeMetrics(_ tables: [TableHash], _ samples: MetricBatch) -> [UInt8] {
        var w = ByteWriter()
        w.write(varint: UInt64(tables.count))
        for t in tables { w.write(t.bytes) }
        w.write(varint: UInt64(samples.groups.count))
        for g in samples.groups {
            w.write(varint: UInt64(g.timestamps.count))
            for t in g.timestamps { w.write(zigzag: t) }
            w.write(varint: UInt64(g.series.count))
            for t in g.series { w.write(varint: UInt64(t)) }
            for v in g.values { w.write(littleEndian: v.bitPattern) }
        }
        return w.bytes
    }
    static func decodeMetrics(_ bytes: [UInt8]) throws -> Head.DecodedBlock {
        try bytes.withUnsafeBytes { b in
            var r = ByteReader(b)
            var tables: [TableHash] = []
            for _ in 0..<(try r.readCount("t", max: 1000)) {
                guard let t = TableHash(bytes: try r.readBytes(32, "h")) else { throw WireError.invalid("h") }
                tables.append(t)
            }
            var batch = MetricBatch()
            for _ in 0..<(try r.readCount("g", max: 100000)) {
                let tc = try r.readCount("tc", max: 100000)
                var g = MetricBatch.Group(timestamps: [], series: [], values: [])
                for _ in 0..<tc { g.timestamps.append(try r.readZigzag("t")) }
                let sc = try r.readCount("tc", max: 100000)
                for _ in 0..<sc { g.series.append(UInt32(try r.readVarint("t"))) }
                for _ in 0..<sc * tc { g.values.append(Double(bitPattern: try r.read(littleEndian: UInt64.self, "v"))) }
                batch.groups.append(g)
            }
            return Head.DecodedBlock(tables: tables, samples: batch)
        }
    }
    static func decodeEvents(_ bytes: [UInt8]) throws -> [ListeningEvent] { throw WireError.invalid("interim") }
    static func encodeEvents(_ events: [ListeningEvent]) throws -> [UInt8] { throw WireError.invalid("interim") }

    static func decodeChunk(_ bytes: [UInt8]) throws -> SeriesColumns {
        let raw = try ZstdDecompressor().decompress(bytes, boundBytes: 1 << 30)
        return try raw.withUnsafeBytes { b in
            var r = ByteReader(b)
            var c = SeriesColumns()
            for _ in 0..<(try r.readCount("n", max: 1 << 20)) {
                let id = UInt32(try r.readVarint("i"))
                let n = try r.readCount("n", max: 1 << 24)
                var t: [Int64] = []
                var v: [Double] = []
                for _ in 0..<n {
                    t.append(try r.readZigzag("t"))
                    v.append(Double(bitPattern: try r.read(littleEndian: UInt64.self, "v")))
                }
                c.append(id, t[...], v[...])
            }
            return c
        }
    }
    static func chunk(_ columns: SeriesColumns, agent: AgentNumber, window: Int64) throws -> DayFile.NewChunk {
        var w = ByteWriter()
        w.write(varint: UInt64(columns.series.count))
        for (i, id) in columns.series.enumerated() {
            w.write(varint: UInt64(id))
            let s = columns.span(i)
            w.write(varint: UInt64(s.count))
            for j in s {
                w.write(zigzag: columns.timestamps[j])
                w.write(littleEndian: columns.values[j].bitPattern)
            }
        }
        return DayFile.NewChunk(
            agent: agent, window: window, low: columns.series.first ?? 0, high: columns.series.last ?? 0,
            first: columns.timestamps.min() ?? 0, last: columns.timestamps.max() ?? 0,
            samples: Int64(columns.timestamps.count), body: try ZstdCompressor().compress(w.bytes))
    }
}

struct StoredChunk {
    let columns: SeriesColumns
    init(_ body: [UInt8]) throws { columns = try StoreCodec.decodeChunk(body) }
    var bytes: Int { columns.timestamps.count * 16 }
    func append(_ series: UInt32, to run: inout SampleRun) throws {
        guard let index = columns.series.firstIndex(of: series) else { return }
        let span = columns.span(index)
        run.append(columns.timestamps[span], columns.values[span])
    }
}
