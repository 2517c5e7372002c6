import AgentCore
import Interchange
import Sources
import Telemetry
import Testing
import WireFormat

@Suite("columns of what a relay hands on")
struct RelayedColumnsTests {
    private static let now = Timestamp(seconds: 1_767_225_600)

    static func series(_ given: [(name: String, times: [Int64], values: [Double])]) throws -> [RelayedSeries] {
        var encoder = RemoteWriteEncoder(.one)
        for (name, times, values) in given {
            encoder.add(SeriesKey(name: name), timestamps: times, values: values)
        }
        return try encoder.finish().withUnsafeBytes { try RelayedWrite($0, relay: "r", now: now).series }
    }

    @Test("series with the same times share a group, others have their own")
    func groups() throws {
        var accumulator = SampleAccumulator()
        let first = try Self.series([("a", [1, 2], [1, 2]), ("b", [1], [3])])
        #expect(accumulator.relayedColumns(of: first).batches.map(\.sampleCount) == [3])
        let second = try Self.series([("c", [5, 6], [5, 6]), ("b", [7], [7]), ("a", [5, 6], [8, 9])])
        let relayed = accumulator.relayedColumns(of: second)
        #expect(relayed.batches.count == 1 && relayed.refusedCount == 0)
        #expect(relayed.batches[0].groups.map(\.series) == [[0, 2], [1]])
        #expect(relayed.batches[0].groups.map(\.timestamps) == [[5, 6], [7]])
        #expect(relayed.batches[0].groups.map(\.values) == [[8, 9, 5, 6], [7]])
        #expect(accumulator.sampleCount == 0)
    }

    @Test("a long run of one series is cut into batches that ascend")
    func longRun() throws {
        var accumulator = SampleAccumulator()
        let count = SampleAccumulator.relayedRunMax * 2 + 5
        let times = (0..<Int64(count)).map { $0 * 1000 }
        let long = try Self.series([("a", times, times.map(Double.init)), ("b", [1], [1])])
        let batches = accumulator.relayedColumns(of: long).batches
        #expect(
            batches.map(\.sampleCount) == [SampleAccumulator.relayedRunMax + 1, SampleAccumulator.relayedRunMax, 5])
        #expect(batches.flatMap { $0.groups.filter { $0.series == [0] }.flatMap(\.timestamps) } == times)
    }

    @Test("series without room are counted; the others are there")
    func full() throws {
        var accumulator = SampleAccumulator(registry: SeriesRegistry(capacity: 2))
        let relayed = accumulator.relayedColumns(
            of: try Self.series([("a", [1], [1]), ("b", [1], [2]), ("c", [1, 2, 3], [1, 2, 3])]))
        #expect(relayed.refusedCount == 3 && relayed.batches.map(\.sampleCount) == [2])
        #expect(accumulator.refused[.series] == 3)
    }

    @Test("no part has more groups than a block may, and every part encodes below the batch limit")
    func parts() throws {
        var accumulator = SampleAccumulator()
        var random = SystemRandomNumberGenerator()
        // Times of their own, and values that do not compress.
        let given = (0..<3000).map { number in
            let times = (0..<7).map { Int64($0 * 10_000 + number) + Int64.random(in: 0..<5000, using: &random) }
            return (
                name: "m\(number)", times: times, values: times.map { _ in Double.random(in: 0...1, using: &random) }
            )
        }
        let batch = try #require(accumulator.relayedColumns(of: try Self.series(given)).batches.first)
        let parts = batch.parts(samplesMax: 12_000)
        #expect(parts.reduce(0) { $0 + $1.sampleCount } == 21_000)
        #expect(parts.flatMap(\.groups).flatMap(\.series).count == 3000)
        let tables = [TableReference(hash: .zero, count: 3000)]
        for part in parts {
            #expect(part.groups.count <= MetricBlock.groupsMax)
            let body = try BlockBody().compress(MetricBlock.encode(part, tables: tables))
            #expect(body.count < WireLimits.batchBytesMax * 3 / 4, "\(body.count) bytes")
        }
    }
}
