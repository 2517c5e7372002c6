import Ingest
import RuntimeSupport
import SQLite
import Store
import Telemetry
import TestSupport
import Testing
import WireFormat

/// Rows of RELIABILITY.md that the store alone can show.
@Suite("Store reliability", .ownThread)
struct ReliabilityTests {
    @Test("R6: exports that stay open hold no transaction: the WAL keeps its bound while ingest goes on")
    func openExports() throws {
        let test = try StoreUnderTest()
        for step in 0..<3 { try test.commit(from: TestBlocks.start.advanced(byMilliseconds: Int64(step) * 10_000)) }
        let play = ListeningEvent(id: "p", kind: .play, at: TestBlocks.start, receivedAt: TestBlocks.start)
        var commit = IngestCommit(number: 10, at: test.time.now)
        commit.blocks = [test.agent.events([play], at: test.time.now)]
        try test.store.commit(commit)
        var samples = try test.store.samples([], in: .distantPast ... .distantFuture)
        let first = try samples.next()
        #expect(first?.timestamps.count == 30)
        var events = try test.store.events(in: .distantPast ... .distantFuture)
        #expect(try events.next()?.count == 1)

        var generator = SeededGenerator(seed: 6)
        let path = test.path("ingest.sqlite-wal")
        var (written, highest): (Int64, Int64) = (0, 0)
        for step in 0..<60 {
            let begin = TestBlocks.start.milliseconds + 3_600_000 + Int64(step) * 5_000_000
            let values = (0..<50_000).map { _ in Double(generator.next() >> 12) }
            let batch = MetricBatch(groups: [
                .init(timestamps: (0..<5000).map { begin + $0 * 1000 }, series: Array(0..<10), values: values)
            ])
            var commit = IngestCommit(number: UInt64(20 + step), at: test.time.now)
            commit.blocks = [test.agent.metrics(batch, at: test.time.now)]
            written += Int64(commit.blocks[0].body.count)
            try test.store.commit(commit)
            highest = max(highest, Database.fileBytes(path))
        }
        // A checkpoint is due at 16 MiB; one commit may come on top.
        #expect(written > 18 << 20, "\(written) bytes")
        #expect(highest > 0 && highest <= 18 << 20, "\(highest) bytes")
        // The exports go on from where they were.
        #expect(try samples.next() != nil)
        #expect(try events.next() == nil)
        test.close()
    }

    @Test("R21: a counter that began anew says so, before and after compaction: no spike, no loss of its first count")
    func counterRestart() throws {
        let test = try StoreUnderTest()
        let start = TestBlocks.start.milliseconds
        let lives: [(start: Int64, first: Int64, values: [Double])] = [
            (start - 100_000, start, [100, 101, 105]), (start + 58_000, start + 60_000, [3, 4, 4]),
            // Higher than before it began anew: without its start nobody could tell.
            (start + 118_000, start + 120_000, [50, 51, 52]),
        ]
        for (number, life) in lives.enumerated() {
            let batch = MetricBatch(groups: [
                .init(
                    timestamps: (0..<3).map { life.first + $0 * 1000 }, series: [0, 1],
                    values: life.values + [1, 2, 3],
                    startTimestamps: [life.start, 0])
            ])
            var commit = IngestCommit(number: UInt64(number), at: test.time.now)
            if number == 0 { commit.tables = [test.agent.table] }
            commit.blocks = [test.agent.metrics(batch, at: test.time.now)]
            try test.store.commit(commit)
        }
        for _ in 0..<2 {
            var cursor = try test.store.samples([.equal("number", "0")], in: .distantPast ... .distantFuture)
            let run = try #require(try cursor.next())
            #expect(run.startTimestamps == lives.flatMap { [$0.start, $0.start, $0.start] })
            var increase = 0.0
            for index in run.values.indices.dropFirst() {
                let isSame = run.startTimestamps[index] == run.startTimestamps[index - 1]
                increase += isSame ? run.values[index] - run.values[index - 1] : run.values[index]
            }
            #expect(increase == 5 + 4 + 52)
            var gauge = try test.store.samples([.equal("number", "1")], in: .distantPast ... .distantFuture)
            #expect(try gauge.next()?.startTimestamps.allSatisfy { $0 == 0 } == true)
            try test.drain()
        }
        test.close()
    }
}
