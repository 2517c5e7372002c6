import Buffer
import RuntimeSupport
import SQLite
import Telemetry
import TestSupport
import Testing
import WireFormat

@Suite("Buffer")
struct BufferTests {
    @Test("a stored row comes back byte for byte, in order, from both ends and by cursor")
    func order() throws {
        let bench = try BufferBench()
        var rows: [PendingBatch] = []
        for index in 0..<40 { rows.append(try #require(try bench.append(size: 1 + index * 700))) }
        let alert = try #require(try bench.append(.alert, size: 200))
        #expect(rows.map(\.key.sequence) == Array(1...40))
        #expect(try bench.buffer.oldestPending(lane: .live, limit: 3) == Array(rows.prefix(3)))
        #expect(try bench.buffer.newestPending(lane: .live, limit: 3) == rows.suffix(3).reversed())
        #expect(
            try bench.buffer.oldestPending(lane: .live, limit: 2, excluding: [rows[5].row], after: rows[4].row)
                == [rows[6], rows[7]])
        #expect(try bench.buffer.newestPending(lane: .live, limit: 1, before: rows[4].row) == [rows[3]])
        #expect(try bench.buffer.oldestPending(lane: .alert, limit: 9) == [alert])
        for row in rows { #expect(try bench.buffer.payload(row.row) == BufferBench.payload(row.key, row.sizeBytes)) }
        #expect(bench.buffer.depth(.live).count == LedgerCount(batches: 40, records: 400))
        #expect(bench.buffer.depth(.live).bytes == UInt64(rows.reduce(0) { $0 + $1.sizeBytes }))
        try bench.check()
    }

    @Test("a transaction stores all of its rows or none, and a failed one gives its sequences back")
    func transaction() throws {
        struct Stop: Error {}
        let bench = try BufferBench()
        #expect(throws: Stop.self) {
            try bench.buffer.transaction {
                try bench.append()
                try bench.append(.alert)
                throw Stop()
            }
        }
        #expect(try bench.pending(.live).isEmpty)
        let rows = try bench.buffer.transaction { [try bench.append(), try bench.append(), try bench.append(.alert)] }
        #expect(rows.compactMap { $0?.key.sequence } == [1, 2, 1])
        try bench.check()
        try bench.crash()
        #expect(try bench.pending(.live).count == 2 && bench.pending(.alert).count == 1)
    }

    @Test("R10: only an acknowledgement frees rows: contiguous, ranges and rejections, repeated without effect")
    func settle() throws {
        let bench = try BufferBench()
        let rows = try (0..<10).map { _ in try #require(try bench.append()) }
        let lane = rows[0].key.laneKey
        let acknowledgement = bench.acknowledgement(
            [.init(laneKey: lane, contiguous: 3, ranges: [5...6, 8...8])],
            [
                .init(key: rows[1].key, code: .malformed, isFinal: true),
                .init(key: rows[8].key, code: .limit, isFinal: false),
                .init(key: rows[7].key, code: .tooOld, isFinal: true),
            ])
        let outcome = try bench.buffer.settle(acknowledgement)
        #expect(outcome.committed == LedgerCount(batches: 4, records: 40))
        #expect(outcome.rejected == LedgerCount(batches: 2, records: 20))
        #expect(outcome.retry == [rows[8].key] && outcome.rewound.isEmpty)
        try bench.check()
        #expect(try bench.pending(.live).map(\.key.sequence) == [4, 7, 9, 10])
        #expect(try bench.buffer.settle(acknowledgement).committed == LedgerCount())
        let parked = try bench.buffer.parkedRows(limit: 10)
        #expect(parked.map(\.key?.sequence) == [8, 2] && parked.map(\.code) == [.tooOld, .malformed])
        #expect(parked[0].payload == BufferBench.payload(rows[7].key, 5000))
        #expect(try bench.buffer.laneStates(max: 8).first { $0.laneKey == lane }?.oldest == 4)
        try bench.restart()
        try bench.check()
        let ledger = try #require(bench.buffer.ledger().first { $0.laneKey == lane })
        #expect(ledger.rejected[.malformed] == LedgerCount(batches: 1, records: 10))
        #expect(ledger.committed.batches == 4 && ledger.pending.batches == 4 && !ledger.isRunning)
    }

    @Test("refused rows go after seven days, and never take more than their bound")
    func parked() throws {
        let bench = try BufferBench()
        for _ in 0..<20 {
            let row = try #require(try bench.append(size: 100_000))
            _ = try bench.acknowledge([], rejecting: [.init(key: row.key, code: .malformed, isFinal: true)])
        }
        #expect(try bench.buffer.parkedRows(limit: 99).count == 10)
        bench.time.advance(milliseconds: 8 * 86_400_000)
        try bench.buffer.upkeep()
        #expect(try bench.buffer.parkedRows(limit: 99).isEmpty)
        try bench.check()
    }

    @Test("each start has a new epoch, and the older ones only drain")
    func epochs() throws {
        let bench = try BufferBench()
        var epochs: Set<EpochID> = []
        for _ in 0..<5 {
            epochs.insert(bench.buffer.runningEpoch)
            let row = try #require(try bench.append())
            #expect(row.key == BatchKey(epoch: bench.buffer.runningEpoch, lane: .live, sequence: 1))
            try bench.crash()
        }
        #expect(epochs.count == 5 && !epochs.contains(bench.buffer.runningEpoch))
        #expect(Set(try bench.pending(.live).map(\.key.epoch)) == epochs)
        let states = try bench.buffer.laneStates(max: 64)
        #expect(states.first?.laneKey.epoch == bench.buffer.runningEpoch && states.count == 7)
    }

    @Test("drained epochs beyond the bound are summed up, and the sum still balances")
    func sweep() throws {
        let bench = try BufferBench(BufferConfiguration(bytesMax: 16 << 20, drainedEpochsMax: 3))
        for _ in 0..<12 {
            let row = try #require(try bench.append())
            _ = try bench.acknowledge([row.key])
            try bench.restart()
        }
        bench.time.advance(milliseconds: 120_000)
        try bench.buffer.upkeep()
        let ledgers = bench.buffer.ledger()
        #expect(ledgers.count == 4)
        #expect(ledgers[0].laneKey.epoch == .zero && ledgers[0].committed.batches == 9)
        try bench.check()
        try bench.restart()
        #expect(bench.buffer.ledger() == ledgers)
    }

    @Test("an acknowledgement beyond what an epoch produced closes the epoch and is reported")
    func rewound() throws {
        let bench = try BufferBench()
        let row = try #require(try bench.append())
        let outcome = try bench.buffer.settle(
            bench.acknowledgement([.init(laneKey: row.key.laneKey, contiguous: 7)]))
        #expect(outcome.rewound == [row.key.laneKey] && outcome.committed.batches == 1)
        #expect(bench.buffer.takeIncidents() == [.rewound(row.key.laneKey, acknowledged: 7, next: 2)])
        let next = try #require(try bench.append())
        #expect(next.key.epoch != row.key.epoch && next.key.sequence == 1)
        try bench.check()
    }

    @Test("a batch over the wire's limit is sequenced and declared lost as too-large")
    func tooLarge() throws {
        let bench = try BufferBench()
        #expect(try bench.append(size: WireLimits.batchBytesMax + 1, records: 77) == nil)
        #expect(try bench.append(size: WireLimits.batchBytesMax)?.key.sequence == 2)
        try bench.check()
        let lane = LaneKey(epoch: bench.buffer.runningEpoch, lane: .live)
        #expect(
            try bench.drainLosses() == [
                LossRecord(
                    laneKey: lane, sequences: 1...1, count: LedgerCount(batches: 1, records: 77), reason: .tooLarge)
            ])
        try bench.check()
    }

    @Test("tables and keys stay as long as a row or the live set names them")
    func auxiliaries() throws {
        let bench = try BufferBench()
        let key = AuxiliaryName.key(DataKeyID(high: 1, low: 2))
        let table = TableHash(high: ID128(high: 3, low: 4), low: ID128(high: 5, low: 6))
        #expect(throws: BufferError.self) { try bench.append(key: DataKeyID(high: 1, low: 2)) }
        #expect(try bench.pending(.live).isEmpty)
        try bench.buffer.transaction {
            try bench.buffer.put(key, [1, 2, 3])
            try bench.buffer.put(
                .table(table), BufferBench.payload(.init(epoch: .zero, lane: .live, sequence: 1), 20_000))
            try bench.append(key: DataKeyID(high: 1, low: 2), tables: [table])
        }
        let row = try #require(try bench.pending(.live).first)
        #expect(try bench.buffer.names(row.row) == [key, .table(table)])
        bench.buffer.setLive([key])
        let later = { bench.time.advance(milliseconds: 120_000) }
        later()
        try bench.buffer.upkeep()
        try bench.restart()
        #expect(try bench.buffer.auxiliary(.table(table))?.count == 20_000)
        #expect(try bench.buffer.auxiliary(key) == [1, 2, 3])
        bench.buffer.setLive([key])
        _ = try bench.acknowledge([row.key])
        later()
        try bench.buffer.upkeep()
        #expect(bench.buffer.contains(key) && !bench.buffer.contains(.table(table)))
        #expect(try bench.buffer.auxiliary(.table(table)) == nil)
        bench.buffer.setLive([])
        later()
        try bench.buffer.upkeep()
        #expect(!bench.buffer.contains(key))
    }

    @Test("a key stays as long as a table that is sealed with it; when it is gone the table can be put again")
    func keysOfTables() throws {
        let bench = try BufferBench()
        let (old, new) = (DataKeyID(high: 1, low: 1), DataKeyID(high: 2, low: 2))
        let table = TableHash(high: ID128(high: 3, low: 4), low: ID128(high: 5, low: 6))
        let clock = ClockReading(
            isSynchronized: true, errorBoundMilliseconds: 1, bootID: .zero, monotonicNanoseconds: 1)
        func sealed(_ key: DataKeyID) -> [UInt8] {
            var payload: [UInt8] = []
            BatchHeader(
                kind: .table, lane: .live, agent: AgentID(unchecked: "edge"), epoch: bench.buffer.runningEpoch,
                sequence: 0, dataKeyID: key, firstTimestamp: bench.time.now, lastTimestamp: bench.time.now,
                recordCount: 1, clock: clock, nonce: [UInt8](repeating: 0, count: BatchHeader.nonceBytes)
            ).encode(into: &payload)
            return payload + [1, 2, 3]
        }
        try bench.buffer.put(.key(old), [1])
        try bench.buffer.put(.table(table), sealed(old))
        try bench.append(key: old, tables: [table])
        // The next start uses the table under a key of its own; the rows of the first are all settled.
        try bench.restart()
        try bench.buffer.put(.key(new), [2])
        try bench.append(key: new, tables: [table])
        bench.buffer.setLive([.key(new), .table(table)])
        _ = try bench.acknowledge([try #require(try bench.pending(.live).first).key])
        bench.time.advance(milliseconds: 120_000)
        try bench.buffer.upkeep()
        #expect(bench.buffer.contains(.key(old)) && bench.buffer.contains(.table(table)))
        // Put again under the new key, the table needs the old one no more; a start finds the successor.
        bench.buffer.forgetTables(sealedWith: old)
        #expect(!bench.buffer.contains(.table(table)))
        let successor = sealed(new)
        try bench.buffer.put(.table(table), successor)
        try bench.restart()
        #expect(try bench.buffer.auxiliary(.table(table)) == successor)
        bench.buffer.setLive([.key(new), .table(table)])
        _ = try bench.acknowledge(try bench.pending(.live).map(\.key))
        bench.time.advance(milliseconds: 120_000)
        try bench.buffer.upkeep()
        #expect(!bench.buffer.contains(.key(old)) && bench.buffer.contains(.table(table)))
    }

    @Test("rows of an epoch whose name was damaged take it from their headers, and are acknowledged by it")
    func damagedEpoch() throws {
        let bench = try BufferBench()
        let clock = ClockReading(
            isSynchronized: true, errorBoundMilliseconds: 1, bootID: .zero, monotonicNanoseconds: 1)
        for _ in 0..<3 {
            _ = try bench.buffer.append(lane: .live, kind: .metrics, recordCount: 1, firstTimestamp: bench.time.now) {
                var payload: [UInt8] = []
                BatchHeader(
                    kind: .metrics, lane: $0.lane, agent: AgentID(unchecked: "edge"), epoch: $0.epoch,
                    sequence: $0.sequence, dataKeyID: .zero, firstTimestamp: bench.time.now,
                    lastTimestamp: bench.time.now, recordCount: 1, clock: clock,
                    nonce: [UInt8](repeating: 0, count: BatchHeader.nonceBytes)
                ).encode(into: &payload)
                return payload
            }
        }
        let keys = try bench.pending(.live).map(\.key)
        bench.buffer.close()
        let database = try Database(path: bench.path)
        try database.execute("UPDATE epochs SET epoch = zeroblob(16)")
        database.close()
        for _ in 0..<2 {
            try bench.open()
            #expect(try bench.pending(.live).prefix(3).map(\.key) == keys)
            try bench.append()
            bench.buffer.close()
        }
        try bench.open()
        #expect(try bench.acknowledge(keys).committed.batches == 3)
        try bench.check()
    }

    @Test("rows whose table was damaged can still be declared lost, before and after it is put again")
    func damagedTable() throws {
        for isPutAgain in [false, true] {
            let bench = try BufferBench()
            let table = TableHash(high: .zero, low: ID128(high: 0, low: 1))
            try bench.buffer.put(.table(table), [9])
            for index in 0..<4 { try bench.append(tables: index % 2 == 0 ? [table] : []) }
            bench.buffer.close()
            let database = try Database(path: bench.path)
            try database.execute("UPDATE auxiliary SET payload = x'00'")
            database.close()
            try bench.open()
            #expect(try bench.buffer.auxiliary(.table(table)) == nil)
            if isPutAgain { try bench.buffer.put(.table(table), [9]) }
            #expect(try bench.buffer.declareLost(naming: .table(table), .tableLost).batches == 2)
            #expect(try bench.pending(.live).map(\.key.sequence) == [2, 4])
            #expect(try bench.drainLosses().count(.tableLost).batches == 2)
        }
    }

    @Test("rows can be declared lost one by one or by the table they name")
    func declareLost() throws {
        let bench = try BufferBench()
        let table = TableHash(high: .zero, low: ID128(high: 0, low: 1))
        try bench.buffer.put(.table(table), [9])
        for index in 0..<9 { try bench.append(tables: index % 3 == 0 ? [table] : []) }
        let rows = try bench.pending(.live)
        #expect(try bench.buffer.declareLost(naming: .table(table), .tableLost).batches == 3)
        #expect(try bench.buffer.declareLost(rows[1].key, .keyExpired))
        #expect(try !bench.buffer.declareLost(rows[1].key, .keyExpired))
        #expect(try bench.pending(.live).map(\.key.sequence) == [3, 5, 6, 8, 9])
        let losses = try bench.drainLosses()
        #expect(losses.count(.tableLost).batches == 3 && losses.count(.keyExpired).batches == 1)
        #expect(losses.map(\.sequences) == [1...1, 4...4, 7...7, 2...2])
        try bench.check()
    }

    @Test("the session counter and keyed values grow and stay over restarts, within their bounds")
    func values() throws {
        let bench = try BufferBench()
        let first = try bench.buffer.nextSession()
        #expect(try bench.buffer.nextSession() == first + 1)
        try bench.buffer.setValue("control.version", [1, 2])
        try bench.buffer.setValue("gone", [1])
        try bench.buffer.setValue("gone", nil)
        try bench.crash()
        #expect(try bench.buffer.nextSession() == first + 2)
        #expect(try bench.buffer.value("control.version") == [1, 2] && bench.buffer.value("gone") == nil)
        let big = [UInt8](repeating: 0, count: BufferLimits.valueBytesMax + 1)
        #expect(throws: BufferError.self) { try bench.buffer.setValue("big", big) }
        for index in 0..<200 { _ = try? bench.buffer.setValue("k\(index)", [0]) }
        #expect(throws: BufferError.self) { try bench.buffer.setValue("one more", [0]) }
        try bench.buffer.setValue("control.version", [3])
    }
}
