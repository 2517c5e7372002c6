import Compression
import Telemetry
import TestSupport
import Testing
import WireFormat

/// What a sample may cost on recorded kernel metrics (576 series, a tick a second).
@Suite("size budgets", .serialized, .ownThread, .enabled(if: DataDirectories.data != nil, "STAGEBOX_DATA_DIR is unset"))
struct SizeBudgetTests {
    private func recording() throws -> ProcRecording {
        try ProcRecording(dataDirectory: #require(DataDirectories.data))
    }

    @Test("blocks of ten ticks take at most 0.4 bytes a sample on the wire and come back bit for bit")
    func wire() throws {
        let recording = try recording()
        let series = (0..<UInt32(recording.values.count)).map { $0 }
        let encoder = MetricBlockEncoder()
        let decoder = MetricBlockDecoder()
        let body = try BlockBody()
        var bytes = 0
        var samples = 0
        for start in stride(from: 0, to: recording.timestamps.count - 9, by: 10) {
            let batch = MetricBatch(groups: [
                MetricBatch.Group(
                    timestamps: Array(recording.timestamps[start..<start + 10]), series: series,
                    values: recording.matrix(start..<start + 10))
            ])
            let block = try encoder.encode(batch, tables: MetricSamples.tables(series.count))
            try decoder.decode(block)
            #expect(MetricSamples.isIdentical(batch, decoder.batch()))
            // 150 bytes are the clear header, the length and the tag of the seal.
            bytes += 150 + BodyFrame.framedBytes(try body.compress(block).count)
            samples += batch.sampleCount
        }
        #expect(Double(bytes) / Double(samples) <= 0.4, "\(Double(bytes) / Double(samples)) bytes a sample")
    }

    @Test("chunk groups take at most 0.2 bytes a sample", arguments: [120, 1500])
    func stored(ticks: Int) throws {
        let recording = try recording()
        let encoder = try ChunkGroupEncoder()
        let decompressor = try ZstdDecompressor()
        var bytes = 0
        var samples = 0
        for start in stride(from: 0, to: recording.timestamps.count - ticks + 1, by: ticks) {
            let ticks = start..<start + ticks
            encoder.begin(timelines: [Array(recording.timestamps[ticks])], seriesMax: recording.values.count)
            for (number, values) in recording.values.enumerated() {
                try Array(values[ticks]).withUnsafeBufferPointer {
                    try encoder.add(series: UInt64(number), timeline: 0, values: $0)
                }
            }
            let group = try encoder.finish()
            bytes += group.count
            samples += ticks.count * recording.values.count
            let reader = try ChunkGroupReader(group, decompressor: decompressor)
            for (position, values) in recording.values.enumerated() {
                #expect(try reader.values(position) == Array(values[ticks]))
            }
        }
        #expect(Double(bytes) / Double(samples) <= 0.2, "\(Double(bytes) / Double(samples)) bytes a sample")
    }
}
