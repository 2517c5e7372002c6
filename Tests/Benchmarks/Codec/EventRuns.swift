import RuntimeSupport
import Telemetry
import TestSupport
import WireFormat

extension CodecBenchmark {
    static func events() throws {
        var generator = SeededGenerator(seed: 7)
        let count = 1000
        let sample = SampleEvents.make(count, using: &generator)
        let encoder = EventBlockEncoder()
        var block: [UInt8] = []
        let encode = try best(20) { block = try encoder.encode(sample) }
        let body = try BlockBody()
        let compressed = try body.compress(block)
        let decode = try best(20) { _ = try EventBlock.decode(block) }
        report(
            "event blocks of \(count) with 14 texts and 4 numbers",
            [
                ("raw B/event", Double(block.count) / Double(count), 1),
                ("zstd B/event", Double(compressed.count) / Double(count), 1),
                ("k events/s encode", Double(count) / encode / 1000, 0),
                ("k events/s decode", Double(count) / decode / 1000, 0),
            ])
    }
}
