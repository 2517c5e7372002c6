import Buffer
import Glibc
import RuntimeSupport
import SQLite
import Telemetry
import TestSupport
import Testing
import WireFormat

/// The rows of RELIABILITY.md that the buffer alone can show.
@Suite("Buffer reliability", .serialized, .ownThread)
struct ReliabilityTests {
    @Test("R1: rows of an hour without a broker survive three kills and drain completely")
    func killed() throws {
        let bench = try BufferBench()
        var keys: Set<BatchKey> = []
        for flush in 0..<360 {
            keys.insert(try #require(try bench.append(size: 4000)).key)
            bench.time.advance(milliseconds: 10_000)
            try bench.buffer.upkeep()
            if flush % 90 == 45 { try bench.crash() }
        }
        try bench.check()
        #expect(Set(try bench.pending(.live).map(\.key)) == keys)
        while let row = try bench.buffer.newestPending(lane: .live, limit: 1).first {
            #expect(try bench.buffer.payload(row.row) == BufferBench.payload(row.key, 4000))
            _ = try bench.acknowledge([row.key])
            keys.remove(row.key)
        }
        #expect(keys.isEmpty && bench.buffer.depth(.live).count == LedgerCount())
        #expect(try bench.drainLosses().isEmpty)
    }

    @Test("R2, R9: an outage longer than the buffer loses the oldest rows only, each counted and told with its reason")
    func outage() throws {
        let bench = try BufferBench(BufferConfiguration(bytesMax: 4 << 20))
        for _ in 0..<10 { try bench.append(.alert, size: 1000) }
        for _ in 0..<2000 { try bench.append(size: 5000, records: 7) }
        let left = try bench.pending(.live)
        let first = try #require(left.first?.key.sequence)
        #expect(left.map(\.key.sequence) == Array(first...2000))
        #expect(first > 1000 && first < 1600)
        #expect(try bench.pending(.alert).count == 10)
        #expect(try bench.buffer.waitingLossCount() == 1)
        let losses = try bench.drainLosses()
        let lane = LaneKey(epoch: bench.buffer.runningEpoch, lane: .live)
        let count = LedgerCount(batches: first - 1, records: 7 * (first - 1))
        #expect(losses == [LossRecord(laneKey: lane, sequences: 1...first - 1, count: count, reason: .bufferFull)])
        try bench.check()
        #expect(bench.buffer.takeIncidents().isEmpty)
    }

    @Test("R2: rows in flight are not evicted, and no loss record covers them")
    func inFlight() throws {
        let bench = try BufferBench(BufferConfiguration(bytesMax: 4 << 20))
        var rows: [PendingBatch] = []
        for _ in 0..<2000 {
            rows.append(try #require(try bench.append(size: 5000)))
            bench.buffer.rowsInFlight = Set([rows[0], rows[min(50, rows.count - 1)]].map(\.row))
        }
        #expect(try bench.pending(.live).prefix(2).map(\.key.sequence) == [1, 51])
        let losses = try bench.drainLosses()
        #expect(losses.map(\.sequences.lowerBound) == [2, 52] && losses[0].sequences == 2...50)
        #expect(losses.allSatisfy { $0.count.batches == $0.sequences.upperBound - $0.sequences.lowerBound + 1 })
        try bench.check()
    }

    @Test("R2: alert rows go only when no live row can, and losses never")
    func lanes() throws {
        let bench = try BufferBench(BufferConfiguration(bytesMax: 4 << 20))
        #expect(try bench.append(size: WireLimits.batchBytesMax + 1) == nil)
        let loss = try #require(try bench.buffer.appendLosses { key, _ in BufferBench.payload(key, 500) })
        try bench.append()
        for _ in 0..<1000 { try bench.append(.alert, size: 5000) }
        #expect(try bench.pending(.live).isEmpty)
        let alert = try bench.pending(.alert)
        #expect(alert.first == loss && alert.last?.key.sequence == 1001 && alert.count < 600)
        try bench.check()
    }

    @Test(
        "R3: after a power cut that tore the WAL the buffer starts with a prefix of the rows and goes on",
        arguments: 1...40)
    func powerCut(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let bench = try BufferBench(seed: seed)
        for index in 0..<Int.random(in: 1...60, using: &generator) {
            let row = try #require(try bench.append(size: Int.random(in: 1...30_000, using: &generator)))
            if index % 3 == 2 { _ = try bench.acknowledge([row.key]) }
        }
        let epoch = bench.buffer.runningEpoch
        var wal = try Files.read(bench.path + "-wal")
        let main = try Files.read(bench.path)
        bench.buffer.close()
        if Bool.random(using: &generator) {
            wal.removeLast(Int.random(in: 0...wal.count, using: &generator))
        } else {
            let start = Int.random(in: wal.indices, using: &generator) & ~4095
            for index in start..<min(wal.count, start + 4096) { wal[index] = 0 }
        }
        try Files.write(main, to: bench.path)
        try Files.write(wal, to: bench.path + "-wal")
        try bench.open()
        try bench.check("seed \(seed)")
        #expect(bench.buffer.takeIncidents().isEmpty, "seed \(seed)")
        let row = try #require(try bench.append())
        #expect(row.key.epoch != epoch && row.key.sequence == 1)
        for row in try bench.pending(.live) {
            #expect(try bench.buffer.payload(row.row) == BufferBench.payload(row.key, row.sizeBytes), "seed \(seed)")
        }
        try bench.check("seed \(seed)")
    }

    @Test(
        "R4: a flipped or truncated file never stops the agent: it starts, sets damage aside, collects, balances",
        arguments: 1...120)
    func damaged(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let bench = try BufferBench(seed: seed)
        let table = TableHash(high: .zero, low: ID128(high: 0, low: seed))
        try bench.buffer.put(.table(table), BufferBench.payload(.init(epoch: .zero, lane: .live, sequence: 1), 3000))
        for _ in 0..<30 { try bench.append(size: Int.random(in: 1...9000, using: &generator), tables: [table]) }
        _ = try bench.acknowledge(try bench.pending(.live).prefix(7).map(\.key))
        let session = try bench.buffer.nextSession()
        bench.buffer.close()
        var bytes = try Files.read(bench.path)
        if Int.random(in: 0..<3, using: &generator) == 0 {
            bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
        } else {
            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] ^=
                    1 << UInt8.random(in: 0..<8, using: &generator)
            }
        }
        try Files.write(bytes, to: bench.path)
        try bench.open()
        for _ in 0..<4 {
            do {
                try bench.append()
            } catch BufferError.notStored(.damaged, _) {
                // Told as a loss; the next goes into the new file.
                try bench.append()
            }
            for row in try bench.pending(.live) {
                if let payload = try bench.buffer.payload(row.row) {
                    #expect(payload == BufferBench.payload(row.key, row.sizeBytes), "seed \(seed)")
                }
            }
            _ = try bench.acknowledge(try bench.pending(.live).prefix(5).map(\.key))
            bench.time.advance(milliseconds: 70_000)
            try bench.buffer.upkeep()
        }
        #expect(try bench.buffer.nextSession() > session, "seed \(seed)")
        for ledger in bench.buffer.ledger() { #expect(ledger.isBalanced, "seed \(seed): \(ledger)") }
        let aside = bench.buffer.takeIncidents().filter { if case .setAside = $0 { true } else { false } }
        #expect(aside.count <= 1 && Database.quarantined(bench.path).count == aside.count, "seed \(seed)")
        // The next start finds a sound file, without rows that cannot be freed.
        try bench.restart()
        #expect(bench.buffer.takeIncidents().isEmpty, "seed \(seed)")
        _ = try bench.acknowledge(try bench.pending(.live).map(\.key))
        _ = try bench.drainLosses()
        try bench.check("seed \(seed)")
        #expect(Lane.allCases.allSatisfy { bench.buffer.depth($0).count == LedgerCount() }, "seed \(seed)")
    }

    @Test("R4: damage met while running replaces the file, tells what was lost and keeps ledgers, tables and values")
    func damagedWhileRunning() throws {
        let bench = try BufferBench()
        let key = AuxiliaryName.key(DataKeyID(high: 1, low: 1))
        try bench.buffer.put(key, [1, 2, 3])
        try bench.buffer.setValue("control", [7])
        for _ in 0..<400 { try bench.append(size: 5000, records: 3) }
        _ = try bench.acknowledge([BatchKey(epoch: bench.buffer.runningEpoch, lane: .live, sequence: 1)])
        bench.buffer.close()
        // Behind the pages that a start reads: the rows' own.
        var bytes = try Files.read(bench.path)
        for index in bytes.count / 4..<bytes.count * 3 / 4 { bytes[index] = 0x55 }
        try Files.write(bytes, to: bench.path)
        try bench.open()
        let epoch = bench.buffer.runningEpoch
        if bench.buffer.rebuildCount == 0 { _ = try bench.acknowledge(try bench.pending(.live).map(\.key)) }
        #expect(bench.buffer.rebuildCount == 1)
        let lost = LedgerCount(batches: 399, records: 3 * 399)
        let incidents = bench.buffer.takeIncidents()
        #expect(incidents.contains { if case .setAside(_, _, lost) = $0 { true } else { false } }, "\(incidents)")
        #expect(try bench.buffer.value("control") == [7] && bench.buffer.auxiliary(key) == [1, 2, 3])
        try bench.append()
        try bench.check()
        let losses = try bench.drainLosses()
        #expect(losses.count(.damaged) == lost && losses.count == 1 && losses[0].sequences == 1...400)
        #expect(losses[0].laneKey.epoch != epoch)
    }

    @Test("R5: a row whose bytes changed under its checksum becomes the loss `damaged`, and the others stay")
    func checksum() throws {
        let bench = try BufferBench()
        for _ in 0..<5 { try bench.append() }
        bench.buffer.close()
        let database = try Database(path: bench.path)
        try database.execute("UPDATE rows SET payload = zeroblob(5000) WHERE id = (SELECT min(id) + 2 FROM rows)")
        database.close()
        try bench.open()
        let rows = try bench.pending(.live)
        #expect(try bench.buffer.payload(rows[2].row) == nil)
        #expect(bench.buffer.takeIncidents() == [.damagedRow(rows[2].key)])
        #expect(try bench.pending(.live).map(\.key.sequence) == [1, 2, 4, 5])
        let losses = try bench.drainLosses()
        #expect(losses.map(\.sequences) == [3...3] && losses.map(\.reason) == [.damaged])
        try bench.check()
    }

    @Test("R6: the WAL stays within its bound under appends, acknowledgements and the largest rows")
    func wal() throws {
        let bench = try BufferBench(BufferConfiguration(bytesMax: 64 << 20))
        var highest: Int64 = 0
        for index in 0..<150 {
            try bench.append(size: index % 5 == 0 ? WireLimits.batchBytesMax : 20_000)
            if index % 2 == 0 {
                _ = try bench.acknowledge(try bench.buffer.oldestPending(lane: .live, limit: 1).map(\.key))
            }
            highest = max(highest, Database.fileBytes(bench.path + "-wal"))
        }
        try bench.buffer.transaction { for _ in 0..<20 { try bench.append(size: WireLimits.batchBytesMax) } }
        highest = max(highest, Database.fileBytes(bench.path + "-wal"))
        #expect(highest <= BufferLimits.walBytesMax && highest > 0)
        _ = try bench.acknowledge(try bench.pending(.live).map(\.key))
        try bench.buffer.finishSettling()
        #expect(Database.fileBytes(bench.path + "-wal") <= BufferLimits.walBytesMax)
        #expect(bench.buffer.depth(.live).count == LedgerCount())
        try bench.check()
    }

    @Test("R7: a full disk costs the oldest rows, never the start, and all is stored again when there is room")
    func fullDisk() throws {
        let bench = try BufferBench()
        for _ in 0..<100 { try bench.append() }
        try bench.buffer.limitFile(pages: try bench.buffer.filePages().all)
        for _ in 0..<50 { try bench.append() }
        try bench.check()
        let left = try bench.pending(.live)
        #expect(left.last?.key.sequence == 150 && left.count > 90)
        #expect(left.map(\.key.sequence) == Array(left[0].key.sequence...150))
        try bench.restart()
        try bench.buffer.limitFile(pages: nil)
        for _ in 0..<50 { try bench.append() }
        #expect(try bench.pending(.live).count == left.count + 50)
        let losses = try bench.drainLosses()
        #expect(losses.count(.diskFull).batches == UInt64(150 - left.count))
        try bench.check()
    }

    @Test("R7: a row that does not fit a full disk at all is refused or told as lost, as the caller wants")
    func nothingFits() throws {
        let bench = try BufferBench()
        try bench.append(.alert, size: 100)
        bench.buffer.rowsInFlight = Set(try bench.pending(.alert).map(\.row))
        try bench.buffer.limitFile(pages: try bench.buffer.filePages().all)
        let before = bench.buffer.ledger()
        #expect(throws: BufferError.self) {
            try bench.buffer.transaction(ifFull: .refuse) { try bench.append(size: 20_000) }
        }
        #expect(bench.buffer.ledger() == before)
        #expect(throws: BufferError.self) { try bench.append(size: 20_000, records: 4) }
        #expect(throws: BufferError.self) { try bench.append(size: 20_000, records: 5) }
        try bench.check()
        try bench.buffer.limitFile(pages: nil)
        #expect(try bench.append(size: 20_000)?.key.sequence == 3)
        let losses = try bench.drainLosses()
        #expect(losses.map(\.sequences) == [1...2] && losses[0].count == LedgerCount(batches: 2, records: 9))
        #expect(losses[0].reason == .diskFull)
        try bench.check()
        #expect(!bench.buffer.takeIncidents().isEmpty)
    }

    @Test("R7: the kernel refusing to let files grow neither stops nor confuses the buffer")
    func kernelLimit() async throws {
        await #expect(processExitsWith: .success) {
            let bench = try BufferBench()
            for _ in 0..<100 { try bench.append() }
            signal(SIGXFSZ, SIG_IGN)
            var none = rlimit(rlim_cur: 0, rlim_max: rlim_t.max)
            getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &none)
            var tight = rlimit(rlim_cur: 600_000, rlim_max: none.rlim_max)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &tight)
            var stored = 0
            for _ in 0..<300 {
                bench.time.advance(milliseconds: 10_000)
                if (try? bench.append()) ?? nil != nil { stored += 1 }
                try bench.buffer.upkeep()
            }
            try bench.check()
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &none)
            guard try bench.append() != nil else { exit(3) }
            try bench.check()
            let lost = try bench.drainLosses().reduce(0) { $0 + $1.count.batches }
            guard lost > 0, try bench.pending(.live).count == 401 - Int(lost) else { exit(4) }
            exit(stored > 0 ? 0 : 5)
        }
    }

    @Test("R8: the byte cap holds to a page across restarts")
    func cap() throws {
        let cap: Int64 = 8 << 20
        let bench = try BufferBench(BufferConfiguration(bytesMax: cap))
        var generator = SeededGenerator(seed: 8)
        for round in 0..<6 {
            for _ in 0..<60 {
                try bench.append(size: Int.random(in: 1...60_000, using: &generator))
                #expect(bench.buffer.fileBytes <= cap)
                #expect(Database.fileBytes(bench.path) <= cap - BufferLimits.walBytesMax)
            }
            try round % 2 == 0 ? bench.restart() : bench.crash()
            #expect(bench.buffer.fileBytes <= cap)
        }
        #expect(Database.fileBytes(bench.path) > cap / 2)
        try bench.check()
    }

    @Test("R8: a cap that was lowered holds after the next start")
    func loweredCap() throws {
        let bench = try BufferBench(BufferConfiguration(bytesMax: 16 << 20))
        for _ in 0..<400 { try bench.append(size: 30_000) }
        #expect(bench.buffer.fileBytes > 10 << 20)
        bench.configuration = BufferConfiguration(bytesMax: 6 << 20)
        try bench.restart()
        #expect(bench.buffer.fileBytes <= 6 << 20)
        try bench.check()
        #expect(try bench.pending(.live).last?.key.sequence == 400)
        #expect(try bench.drainLosses().count(.bufferFull).batches > 200)
        #expect(bench.buffer.takeIncidents().isEmpty)
    }

    @Test("R17: a start on a large backlog reads a handful of its pages")
    func largeBacklog() throws {
        let bench = try BufferBench(BufferConfiguration(bytesMax: 128 << 20))
        for _ in 0..<60 {
            try bench.buffer.transaction { for _ in 0..<20 { try bench.append(size: 50_000) } }
        }
        try bench.restart()
        #expect(bench.buffer.depth(.live).count.batches == 1200)
        #expect(try bench.buffer.newestPending(lane: .live, limit: 32).count == 32)
        #expect(try bench.buffer.pagesRead() < 500)
        try bench.append()
    }

    @Test("R30: an hour of one 5 KB row per 10 s, each acknowledged, writes at most twice its payload")
    func flashWear() throws {
        let bench = try BufferBench()
        _ = try bench.append()
        let before = try bench.buffer.bytesWritten()
        for _ in 0..<360 {
            let rows = try bench.pending(.live).map(\.key)
            _ = try bench.acknowledge(rows)
            bench.time.advance(milliseconds: 10_000)
            try bench.buffer.upkeep()
            try bench.append(size: 5000)
        }
        let written = try bench.buffer.bytesWritten() - before
        let ratio = Double(written) / (360 * 5000)
        #expect(ratio <= 2, "\(ratio) bytes written for each byte stored")
        #expect(Database.fileBytes(bench.path) < 64 << 10)
    }

    @Test("R31: a drained backlog gives its space back, and a steady one uses its own again")
    func reclaimed() throws {
        let bench = try BufferBench(BufferConfiguration(bytesMax: 64 << 20))
        for _ in 0..<400 { try bench.append(size: 50_000) }
        #expect(bench.buffer.fileBytes > 18 << 20)
        _ = try bench.acknowledge(try bench.pending(.live).map(\.key))
        // At once out of sight, then deleted in parts.
        #expect(try bench.pending(.live).isEmpty && bench.buffer.depth(.live).count.batches > 50)
        #expect(try bench.buffer.laneStates(max: 2).last?.oldest == 401)
        for _ in 0..<3 {
            bench.time.advance(milliseconds: 60_000)
            try bench.buffer.upkeep()
        }
        #expect(bench.buffer.fileBytes < 1 << 20)
        try bench.check()
        for _ in 0..<20 { try bench.append(size: 50_000) }
        let pages = try bench.buffer.filePages().all
        for _ in 0..<200 {
            _ = try bench.acknowledge(try bench.buffer.oldestPending(lane: .live, limit: 1).map(\.key))
            try bench.append(size: 50_000)
        }
        #expect(try bench.buffer.filePages().all < pages + 250)
        try bench.check()
    }
}
