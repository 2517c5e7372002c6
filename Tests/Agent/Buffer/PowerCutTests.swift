import Buffer
import RuntimeSupport
import SQLite
import Telemetry
import TestSupport
import Testing
import WireFormat

/// What the medium may hold after a power cut, page by page, and who else may look at it.
@Suite("Buffer, its pages and its readers", .serialized, .ownThread)
struct PowerCutTests {
    /// With `synchronous=NORMAL` the WAL is on the medium before a checkpoint writes the file's pages
    /// (https://www.sqlite.org/wal.html); a cut in the middle leaves any of them new, old or half.
    @Test("R3: a power cut in the middle of a checkpoint loses nothing and stops nothing", arguments: 1...30)
    func withinCheckpoint(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let bench = try BufferBench(seed: seed)
        for _ in 0..<Int.random(in: 0...40, using: &generator) { try bench.append(size: 20_000) }
        var before: [UInt8] = []
        var after: [UInt8] = []
        var appended = 0
        repeat {
            before = try Files.read(bench.path)
            if appended % 3 == 2 { _ = try bench.acknowledge(try bench.pending(.live).prefix(1).map(\.key)) }
            try bench.append(size: Int.random(in: 1...30_000, using: &generator))
            appended += 1
            after = try Files.read(bench.path)
        } while before == after && appended < 200
        try #require(before != after, "seed \(seed): no checkpoint")
        let wal = try Files.read(bench.path + "-wal")
        let rows = try bench.pending(.live)
        bench.buffer.close()
        try Files.write(Self.mixed(before, after, &generator), to: bench.path)
        try Files.write(wal, to: bench.path + "-wal")

        try bench.open()
        #expect(bench.buffer.takeIncidents().isEmpty && bench.buffer.rebuildCount == 0, "seed \(seed)")
        let found = try bench.pending(.live)
        #expect(Set(rows.map(\.key)).isSubset(of: found.map(\.key)), "seed \(seed)")
        for row in found {
            #expect(try bench.buffer.payload(row.row) == BufferBench.payload(row.key, row.sizeBytes), "seed \(seed)")
        }
        try bench.append()
        try bench.check("seed \(seed)")
    }

    /// Each page of the later image, or of the earlier, or a part of the later's over the earlier's.
    private static func mixed(_ before: [UInt8], _ after: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        let page = BufferLimits.pageSizeBytes
        var mixed = before
        for start in stride(from: 0, to: after.count, by: page) {
            let cut = [0, page, Int.random(in: 0...page, using: &generator)][Int.random(in: 0..<3, using: &generator)]
            let end = min(start + cut, after.count)
            guard end > start else { continue }
            // What lies between was allocated and never written.
            if mixed.count < end { mixed += [UInt8](repeating: 0, count: end - mixed.count) }
            mixed.replaceSubrange(start..<end, with: after[start..<end])
        }
        return mixed
    }

    @Test("R9: a loss record leaves out what another one tells, whether that waits or is on its way")
    func disjointRecords() throws {
        let bench = try BufferBench()
        for _ in 0..<9 { try bench.append(records: 7) }
        let keys = try bench.pending(.live).map(\.key)
        func lose(_ sequences: ClosedRange<Int>, _ reason: LossReason) throws {
            for sequence in sequences {
                let isLost = try bench.buffer.declareLost(keys[sequence - 1], reason)
                #expect(isLost)
            }
        }
        try lose(3...4, .diskFull)
        var told: [LossRecord] = []
        _ = try bench.buffer.appendLosses { key, records in
            told += records
            return BufferBench.payload(key, 200)
        }
        try lose(1...2, .diskFull)
        try lose(5...5, .diskFull)
        try lose(6...6, .tableLost)
        try lose(7...8, .diskFull)
        told += try bench.drainLosses()
        let expected: [ClosedRange<UInt64>] = [1...2, 3...4, 5...5, 6...6, 7...8]
        #expect(told.map(\.sequences).sorted { $0.lowerBound < $1.lowerBound } == expected)
        #expect(told.allSatisfy { $0.count.batches == UInt64($0.sequences.count) })
        try bench.check()
    }

    @Test("R6: beside the agent nobody can read the file, so that no reader makes the WAL grow")
    func readers() throws {
        let bench = try BufferBench()
        try bench.append()
        #expect(throws: SQLiteError.self) {
            let other = try Database(
                path: bench.path, configuration: DatabaseConfiguration(access: .readOnly, busyTimeoutMilliseconds: 0))
            defer { other.close() }
            _ = try other.integer("SELECT count(*) FROM rows")
        }
        #expect(!Files.exists(bench.path + "-shm"))
        try bench.append()
        try bench.check()
    }
}
