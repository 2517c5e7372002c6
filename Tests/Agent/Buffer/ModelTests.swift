import Buffer
import RuntimeSupport
import SQLite
import Telemetry
import TestSupport
import Testing
import WireFormat

/// What a buffer should hold, in plain dictionaries.
private struct Model {
    var pending: [BatchKey: UInt32] = [:]
    var committed: Set<BatchKey> = []
    var rejected: Set<BatchKey> = []
    /// Everything that was ever sequenced, with its records.
    var produced: [BatchKey: UInt32] = [:]
    /// The step and turn in which it was appended.
    var order: [BatchKey: (step: Int, turn: Int)] = [:]

    mutating func add(_ batch: PendingBatch, step: Int) {
        if order[batch.key] == nil { order[batch.key] = (step, produced.count) }
        pending[batch.key] = batch.recordCount
        produced[batch.key] = batch.recordCount
    }
}

@Suite("Buffer against a model", .serialized, .ownThread)
struct ModelTests {
    @Test("random appends, acknowledgements, evictions, crashes and restarts agree with the model", arguments: 1...24)
    func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let bench = try BufferBench(BufferConfiguration(bytesMax: 4 << 20, drainedEpochsMax: 4), seed: seed)
        var model = Model()
        var losses: [LossRecord] = []
        var evicted = 0
        // Odd walks begin in an outage.
        var isOnline = seed % 2 == 0
        for step in 0..<220 {
            if Int.random(in: 0..<60, using: &generator) == 0 { isOnline.toggle() }
            let comment = "seed \(seed), step \(step)"
            switch Int.random(in: 0..<20, using: &generator) {
            case 0..<9:
                try bench.buffer.transaction {
                    for _ in 0..<Int.random(in: 1...3, using: &generator) {
                        let size = Int.random(
                            in: 1...(Bool.random(using: &generator) ? 2000 : 120_000), using: &generator)
                        let lane: Lane = Int.random(in: 0..<4, using: &generator) == 0 ? .alert : .live
                        let records = UInt32.random(in: 0...50, using: &generator)
                        let batch = try #require(try bench.append(lane, size: size, records: records))
                        model.add(batch, step: step)
                    }
                }
            case 9..<14:
                let keys = model.pending.keys.sorted().filter { _ in
                    isOnline && Int.random(in: 0..<4, using: &generator) == 0
                }
                let rejected = keys.filter { _ in Int.random(in: 0..<8, using: &generator) == 0 }
                _ = try bench.acknowledge(
                    keys, rejecting: rejected.map { .init(key: $0, code: .tooOld, isFinal: true) })
                for key in keys {
                    model.pending[key] = nil
                    if rejected.contains(key) { model.rejected.insert(key) } else { model.committed.insert(key) }
                }
            case 14..<16:
                bench.buffer.rowsInFlight = Set(
                    try bench.buffer.oldestPending(lane: .live, limit: Int.random(in: 0...5, using: &generator)).map(
                        \.row))
            case 16: try bench.restart()
            case 17:
                try bench.buffer.flush()
                try bench.crash()
            case 18: losses += try bench.drainLosses()
            default:
                bench.time.advance(milliseconds: Int64.random(in: 0...90_000, using: &generator))
                try bench.buffer.upkeep()
            }
            if Int.random(in: 0..<3, using: &generator) == 0 { bench.time.advance(milliseconds: 2000) }
            try bench.check(comment)
            let rows = try Lane.allCases.flatMap { try bench.pending($0) }
            // Only eviction may take rows out of turn, and only live ones while there are any.
            let gone = model.pending.keys.filter { key in !rows.contains { $0.key == key } }
            let inFlight = Set(bench.buffer.rowsInFlight)
            let kept = rows.filter { row in
                model.order[row.key].map { $0.step < step } ?? false && row.kind != .loss && !inFlight.contains(row.row)
            }
            for key in gone {
                let turn = model.order[key]?.turn ?? 0
                let older = kept.filter { $0.key.lane == key.lane && model.order[$0.key]?.turn ?? 0 < turn }
                #expect(older.isEmpty, "\(comment): \(key) went before \(older)")
                if key.lane == .alert { #expect(!kept.contains { $0.key.lane == .live }, "\(comment)") }
                model.pending[key] = nil
            }
            evicted += gone.count
            // Loss batches sequence themselves.
            for row in rows where row.kind == .loss { model.add(row, step: step) }
            #expect(Set(rows.map(\.key)) == Set(model.pending.keys), "\(comment)")
            #expect(bench.buffer.fileBytes <= bench.configuration.bytesMax, "\(comment)")
            if let row = rows.randomElement(using: &generator), row.kind != .loss {
                #expect(try bench.buffer.payload(row.row) == BufferBench.payload(row.key, row.sizeBytes), "\(comment)")
            }
            if bench.buffer.takeIncidents() != [] { Issue.record("\(comment): an incident") }
        }
        losses += try bench.drainLosses()
        // Everything sequenced is in exactly one place, and every drop was told with its records.
        let settled = model.committed.union(model.rejected).union(model.pending.keys)
        let lost = model.produced.keys.filter { !settled.contains($0) }
        for key in lost {
            #expect(
                losses.contains { $0.laneKey == key.laneKey && $0.sequences.contains(key.sequence) },
                "seed \(seed) \(key)")
        }
        for key in model.pending.keys {
            #expect(
                !losses.contains { $0.laneKey == key.laneKey && $0.sequences.contains(key.sequence) },
                "seed \(seed) \(key)")
        }
        #expect(evicted == lost.count, "seed \(seed)")
        if [1, 11, 13].contains(seed) { #expect(evicted > 0, "seed \(seed) is too short to evict") }
        let told = losses.reduce(LedgerCount()) { $0 + $1.count }
        #expect(told.batches == UInt64(lost.count), "seed \(seed)")
        #expect(told.records == lost.reduce(0) { $0 + UInt64(model.produced[$1] ?? 0) }, "seed \(seed)")
    }
}
