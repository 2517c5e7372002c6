import RuntimeSupport
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("metric blocks")
struct MetricBlockTests {
    @Test("random batches come back bit for bit", arguments: UInt64(0)..<60)
    func roundTrip(seed: UInt64) throws {
        let batch = MetricSamples.batch(groups: Int(seed % 4), seed: seed)
        let tables = MetricSamples.tables(40)
        let bytes = try MetricBlock.encode(batch, tables: tables)
        let decoded = try MetricBlock.decode(bytes)
        #expect(decoded.tables == tables)
        #expect(MetricSamples.isIdentical(batch, decoded.batch), "seed \(seed)")
    }

    @Test("an encoder and a decoder used again give what new ones give")
    func reuse() throws {
        let encoder = MetricBlockEncoder()
        let decoder = MetricBlockDecoder()
        for seed in UInt64(0)..<20 {
            let batch = MetricSamples.batch(seriesMax: seed % 2 == 0 ? 200 : 5, valuesMax: 150, seed: seed)
            let bytes = try encoder.encode(batch, tables: MetricSamples.tables(200))
            #expect(try bytes == MetricBlock.encode(batch, tables: MetricSamples.tables(200)))
            try decoder.decode(bytes)
            #expect(MetricSamples.isIdentical(batch, decoder.batch()), "seed \(seed)")
        }
    }

    @Test("one series of one group decodes alone")
    func randomAccess() throws {
        let batch = MetricSamples.batch(groups: 3, seed: 11)
        let bytes = try MetricBlock.encode(batch, tables: MetricSamples.tables(40))
        let decoder = MetricBlockDecoder()
        for (index, group) in batch.groups.enumerated() {
            for (position, number) in group.series.enumerated() {
                let samples = try bytes.withUnsafeBytes { try decoder.decodeSeries(number, group: index, of: $0) }
                let count = group.timestamps.count
                #expect(samples?.map(\.timestamp.milliseconds) == group.timestamps)
                #expect(
                    samples?.map(\.value.bitPattern)
                        == group.values[position * count..<(position + 1) * count].map(\.bitPattern))
            }
            #expect(try bytes.withUnsafeBytes { try decoder.decodeSeries(39_999, group: index, of: $0) } == nil)
        }
    }

    @Test("a batch that breaks its own rules is refused")
    func refusals() {
        let good = MetricBatch.Group(timestamps: [1, 2], series: [0, 1], values: [1, 2, 3, 4])
        func check(_ field: String, _ change: (inout MetricBatch.Group) -> Void) {
            var group = good
            change(&group)
            #expect(throws: WireError.invalid(field)) {
                try MetricBlock.encode(MetricBatch(groups: [group]), tables: MetricSamples.tables(2))
            }
        }
        check("timestamps") { $0.timestamps = [2, 2] }
        check("timestamps") { $0.timestamps = [.min, .max] }
        check("series numbers") { $0.series = [1, 0] }
        check("series numbers") { $0.series = [1, 1] }
        check("series numbers") { $0.series = [0, 2] }
        check("value count") { $0.values = [1] }
        check("value count") {
            $0.series = []
            $0.values = []
        }
        check("timestamp count") {
            $0.timestamps = []
            $0.values = []
        }
        check("start timestamps") { $0.startTimestamps = [1] }
        check("anomalies") { $0.anomalies = [1, 1] }
    }

    @Test("any bytes give a batch or an error", arguments: UInt64(0)..<8)
    func total(seed: UInt64) throws {
        let decoder = MetricBlockDecoder()
        let bytes = try MetricBlock.encode(
            MetricSamples.batch(seriesMax: 20, valuesMax: 12, seed: seed), tables: MetricSamples.tables(20))
        Damage.inflict(on: bytes, rounds: 3000, seed: seed) { damaged in
            guard (try? decoder.decode(damaged)) != nil else {
                #expect(decoder.sampleCount == 0)
                return
            }
            #expect(decoder.sampleCount <= MetricBlock.samplesMax)
            #expect(decoder.batch().sampleCount == decoder.sampleCount)
        }
        for length in bytes.indices {
            #expect(throws: WireError.self) { try decoder.decode(Array(bytes[..<length])) }
        }
    }

    @Test("a check lets pass what decodes, and nothing else", arguments: UInt64(0)..<8)
    func check(seed: UInt64) throws {
        let (decoder, checker) = (MetricBlockDecoder(), MetricBlockDecoder())
        let bytes = try MetricBlock.encode(
            MetricSamples.batch(seriesMax: 30, valuesMax: 40, seed: seed), tables: MetricSamples.tables(30))
        func compare(_ bytes: [UInt8]) {
            let decodes = (try? decoder.decode(bytes)) != nil
            #expect(((try? checker.check(bytes)) != nil) == decodes)
            #expect(checker.sampleCount == decoder.sampleCount && checker.allValues.isEmpty)
            #expect(checker.tables == decoder.tables && checker.timestamps == decoder.timestamps)
            #expect(checker.series == decoder.series && checker.anomalies == decoder.anomalies)
        }
        compare(bytes)
        Damage.inflict(on: bytes, rounds: 3000, seed: seed, compare)
        for length in bytes.indices { compare(Array(bytes[..<length])) }
    }

    @Test("a check counts codes as decoding does, whatever their lengths and how many bytes go on", arguments: 0..<40)
    func checkedCodes(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let (decoder, checker) = (MetricBlockDecoder(), MetricBlockDecoder())
        // Differences of up to 2^50, so codes of up to eight bytes; the last bytes of the block are the codes.
        let bits = Int64.random(in: 1...50, using: &generator)
        let values = (0..<40).map { _ in Double(Int64.random(in: 0...(1 << bits), using: &generator)) }
        let batch = MetricBatch(groups: [.init(timestamps: (0..<40).map { $0 * 1000 }, series: [0], values: values)])
        let bytes = try MetricBlock.encode(batch, tables: MetricSamples.tables(1))
        for _ in 0..<2000 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                let place = Int.random(in: bytes.count - min(60, bytes.count)..<bytes.count, using: &generator)
                damaged[place] = Bool.random(using: &generator) ? 0xff : UInt8.random(in: 0...255, using: &generator)
            }
            let decodes = (try? decoder.decode(damaged)) != nil
            #expect(((try? checker.check(damaged)) != nil) == decodes)
        }
    }

    @Test("a body's claimed size is bounded before memory is taken")
    func bodyBound() throws {
        let body = try BlockBody()
        let zeros = [UInt8](repeating: 0, count: WireLimits.bodyBytesMax)
        let frame = try body.compress(zeros)
        #expect(try body.decompress(frame).count == zeros.count)
        #expect(throws: WireError.tooLarge("block")) { try body.compress(zeros + [0]) }
        // The frame header's four-byte content size is raised beyond the bound.
        var forged = frame
        forged[8] = 0xff
        #expect(throws: WireError.tooLarge("block")) { try body.decompress(forged) }
        Damage.inflict(on: frame, rounds: 500, seed: 3) { _ = try? body.decompress($0) }
    }

    @Test("equal movement in other units and a dense range cost next to nothing")
    func sharing() throws {
        let counter = (0..<100).map { Double($0 * $0 * 7 % 1000) }
        func size(_ columns: [[Double]]) throws -> Int {
            let group = MetricBatch.Group(
                timestamps: (0..<100).map { Int64($0) * 1000 }, series: (0..<UInt32(columns.count)).map { $0 },
                values: columns.flatMap { $0 })
            return try MetricBlock.encode(MetricBatch(groups: [group]), tables: MetricSamples.tables(1000)).count
        }
        let one = try size([counter])
        #expect(try size([counter, counter.map { $0 * 4096 }, counter.map { $0 / 100 }]) <= one + 24)
        #expect(try size(Array(repeating: Array(repeating: 0, count: 100), count: 1000)) <= 1300)
    }

    @Test("the bytes of version 1 stay readable and unchanged", arguments: [UInt64(1), 2])
    func golden(seed: UInt64) throws {
        let batch = MetricSamples.batch(seed: seed)
        let bytes = try MetricBlock.encode(batch, tables: MetricSamples.tables(40))
        let kept = try ColumnGolden.check("MetricBlock-\(seed)-v1", bytes)
        #expect(try MetricSamples.isIdentical(MetricBlock.decode(kept).batch, batch))
    }
}
