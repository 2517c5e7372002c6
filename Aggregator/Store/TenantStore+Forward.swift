import Glibc
import RuntimeSupport
import SQLite
import Synchronization
import Telemetry
import WireFormat

// Handing a tenant's samples on to another system, in the order in which they were committed.
//
// Level 0 is read by a durable position. Compaction does not wait for it: blocks that leave level 0 before their turn
// are copied to `forward.sqlite` first, within a bound. One thread at a time forwards; any other may do anything else.
extension TenantStore {
    /// What of a tenant's blocks one batch looks at, at most, and beyond what is kept.
    static let forwardScanSamplesMax = 1_000_000

    var forwardPath: String { "\(directory)/\(ForwardFile.name)" }

    /// Whether a position is kept, so that nothing leaves the store without its turn.
    package var isForwarding: Bool { forwarding.withLock { $0 != nil } }

    /// Turns forwarding on: what is committed from now on is handed on. Without effect where it is on.
    /// - Parameter lanes: what is handed on beside samples; that of others ends.
    package func startForwarding(_ lanes: Set<ForwardLane> = []) throws {
        try throwing {
            // No commit may lie between the position and the file.
            try commitGate.withLock { _ in
                if state.withLock({ $0.isStale }) { try refresh() }
                if !isForwarding { try openForwarding(isNew: true) }
                try setLanes(lanes)
            }
        }
    }

    /// Turns it off, and forgets what had not been handed on.
    /// - Returns: blocks that were waiting beside level 0.
    package func endForwarding() -> Int {
        guard let file = forwarding.withLock({ $0.take() }) else { return 0 }
        let blocks = file.backlog.blocks
        file.close()
        for suffix in ["", "-wal", "-shm"] { unlink(forwardPath + suffix) }
        // What is left there tells nobody anything; the next start of forwarding begins anew.
        try? ingest.use { database in try database.transaction { try FindingOutbox.removeAll(in: database) } }
        return blocks
    }

    /// Opens the file that a tenant has whose samples are forwarded. A damaged one is set aside: then everything that
    /// level 0 still holds is handed on (again).
    func openForwarding(isNew: Bool = false) throws {
        guard isNew || StoreFiles.exists(forwardPath) else { return }
        var reports: [DamageReport] = []
        let file = try StoreFiles.open(
            forwardPath, now: time.now, reports: &reports,
            consequence: "samples that waited there are not forwarded; those in level 0 are, maybe for the second time"
        ) {
            try ForwardFile(path: $0)
        } check: {
            try $0.check()
        }
        let (generation, next) = state.withLock { ($0.generation, $0.nextBlock) }
        let begin = ForwardPosition(block: isNew && reports.isEmpty ? next : 0)
        let dropped = try file.load(generation: generation, begin: begin)
        countForwardLosses([.damaged: dropped.samples])
        countForwardLosses(.events, [.damaged: dropped.events])
        for report in reports { self.report(report.file, report.finding, report.consequence) }
        forwarding.withLock { $0 = file }
    }

    package var forwardState: ForwardState? { forwarding.withLock { $0 }?.state }
    /// Blocks that wait beside level 0.
    package var forwardBacklog: (blocks: Int, bytes: Int64) { forwarding.withLock { $0 }?.backlog ?? (0, 0) }

    /// Makes a position durable and forgets what lies before it.
    package func noteForwarded(_ state: ForwardState) throws {
        try throwing { try forwarding.withLock { $0 }?.save(state) }
    }

    /// Drops the oldest of what waits beside level 0, beyond so many bytes.
    package func trimForwardBacklog(to bytesMax: Int64) throws {
        let lost = try throwing { try forwarding.withLock { $0 }?.trim(to: bytesMax) ?? 0 }
        if lost > 0 { countForwardLosses([.backlogFull: lost]) }
    }

    package func countForwardLosses(_ losses: [ForwardLoss: Int]) {
        for (reason, samples) in losses where samples > 0 {
            metrics.add(
                "stagebox_forward_lost_samples_total", Double(samples), "tenant", tenant.rawValue, "reason",
                reason.rawValue)
        }
    }

    // MARK: Compaction's side

    /// Copies level-0 blocks that are about to leave to where their turn finds them. Durable when it returns.
    func keepForForwarding(_ ids: [Int64]) throws {
        guard let file = forwarding.withLock({ $0 }) else { return }
        let next = file.state.next.block
        var pieces: [(row: ForwardFile.Row, body: [UInt8])] = []
        var bytes = 0
        for id in ids.sorted() where id >= next {
            let found = try ingestReaders.use { database -> (ForwardFile.Row, [UInt8])? in
                guard let row = try IngestFile.row(of: id, in: database), row.kind == .metrics, row.state == .normal,
                    let body = try IngestFile.body(of: id, in: database)
                else { return nil }
                return (ForwardFile.Row(row), body)
            }
            guard let (row, body) = found else { continue }
            // What is deleted already shall not come to stand in a further file.
            pieces.append((row, try blanked(body, row) ?? body))
            bytes += body.count
            guard bytes >= Self.forwardCopyBytes else { continue }
            try file.keep(pieces)
            pieces.removeAll(keepingCapacity: true)
            bytes = 0
        }
        if !pieces.isEmpty { try file.keep(pieces) }
    }
    /// Copied in one transaction.
    static let forwardCopyBytes = 4 << 20

    /// What stands in the place of a deleted sample's value, so that positions within the block stay: a NaN that no
    /// sample can have.
    static let erasedBits: UInt64 = 0x7ff8_5b0e_d0de_1e7e

    /// Blanks the values of what is deleted in some of the blocks that wait beside level 0.
    /// - Parameter from: the block to go on with.
    /// - Returns: the block to go on with next; nil when all were looked at.
    func eraseForwarded(_ deletion: Deletion, from: Int64) throws -> Int64? {
        guard let file = forwarding.withLock({ $0 }), deletion.generation == state.withLock({ $0.generation }) else {
            return nil
        }
        let rows = try file.rows(from: from, limit: 16)
        for row in rows where row.id < deletion.boundary {
            guard let body = try file.body(of: row.id), let blanked = try blanked(body, row) else { continue }
            try file.replace(blanked, of: row.id)
        }
        guard let last = rows.last, last.id < deletion.boundary else {
            if file.backlog.blocks > 0 { try file.removeTraces() }
            return nil
        }
        return last.id + 1
    }

    /// - Returns: nil when the block holds nothing that is deleted, or does not decode.
    private func blanked(_ body: [UInt8], _ row: ForwardFile.Row) throws -> [UInt8]? {
        let deleted = deletions.current
        guard !deleted.isEmpty else { return nil }
        let isPushed = isPushed(row.agent)
        return try CodecPool.shared.use { codec in
            do { try codec.decoder.decode(try codec.body.decompress(body)) } catch is WireError { return nil }
            let tables = codec.decoder.tables
            guard let set = self.tables.set(row.agent, tables.map(\.hash)) else { return nil }
            var batch = codec.decoder.batch()
            var isChanged = false
            for index in batch.groups.indices {
                let group = batch.groups[index]
                for (position, number) in group.series.enumerated() where Int(number) < set.ids.count {
                    let cuts = deleted.cuts(of: set.ids[Int(number)].rawValue, block: row.id, isPushed: isPushed)
                    guard !cuts.isEmpty else { continue }
                    for (time, stamp) in group.timestamps.enumerated()
                    where cuts.contains(where: { $0.contains(stamp &+ row.shift) }) {
                        batch.groups[index].values[position * group.timestamps.count + time] =
                            Double(bitPattern: Self.erasedBits)
                        isChanged = true
                    }
                }
            }
            return isChanged ? try codec.body.compress(try MetricBlock.encode(batch, tables: tables)) : nil
        }
    }

    // MARK: The forwarder's side

    /// The next samples to hand on.
    /// - Parameters:
    ///   - state: where to begin; with `sending`, exactly up to there.
    ///   - samplesMax: no further samples then; without effect on a repetition.
    ///   - receivedBefore: milliseconds; later blocks wait, so that those that change places on their way in are put in
    ///     order by time.
    ///   - isWanted: which series; asked once for each and block.
    /// - Returns: nil when nothing is to be looked at. Its series may be empty although its end lies further on.
    package func forwardBatch(
        _ state: ForwardState, samplesMax: Int, receivedBefore: Int64, isWanted: (SeriesID) -> Bool
    ) throws -> ForwardBatch? {
        try throwing {
            var read = ForwardRead(
                from: state.next, until: state.sending, samplesMax: state.sending == nil ? samplesMax : .max)
            // Before the blocks, as readers do.
            let deleted = deletions.current
            scan: while true {
                let rows = try forwardRows(from: read.place.block)
                for row in rows {
                    if state.sending == nil, row.receivedAt > receivedBefore { break scan }
                    guard try take(row, &read, deleted, isWanted) else { break scan }
                }
                if rows.isEmpty { break }
            }
            return read.finish()
        }
    }

    /// Level-0 blocks with samples and those that left it, ascending. Level 0 is read first: what leaves it meanwhile
    /// is found where it goes.
    private func forwardRows(from id: Int64) throws -> [ForwardFile.Row] {
        let limit = 64
        var rows: [Int64: ForwardFile.Row] = [:]
        try ingestReaders.use { database in
            let statement = try database.statement(
                """
                SELECT id, agent, shift, records, received FROM block
                  WHERE id >= ?1 AND kind = 1 AND state = 0 ORDER BY id LIMIT ?2
                """)
            try statement.bind(1, id)
            try statement.bind(2, Int64(limit))
            while try statement.step() {
                let row = ForwardFile.Row(
                    id: statement.integer(0), agent: AgentNumber(truncatingIfNeeded: statement.integer(1)),
                    shift: statement.integer(2), records: Int(statement.integer(3)), receivedAt: statement.integer(4),
                    isKept: false)
                rows[row.id] = row
            }
        }
        for row in try forwarding.withLock({ $0 })?.rows(from: id, limit: limit) ?? [] { rows[row.id] = row }
        // Of two lists that were cut only what both may hold is known to be without a gap.
        return Array(rows.values.sorted { $0.id < $1.id }.prefix(limit))
    }

    /// - Returns: whether to go on with the next block.
    private func take(
        _ row: ForwardFile.Row, _ read: inout ForwardRead, _ deleted: DeletionSet, _ isWanted: (SeriesID) -> Bool
    ) throws -> Bool {
        guard read.begins(row) else { return false }
        let body =
            try ingestReaders.use { try IngestFile.body(of: row.id, in: $0) }
            ?? forwarding.withLock { $0 }?.body(of: row.id)
        // Set aside or dropped meanwhile, and counted there.
        guard let body else { return read.passes(row) }
        return try CodecPool.shared.use { codec in
            do { try codec.decoder.decode(try codec.body.decompress(body)) } catch is WireError {
                return read.loses(row, .damaged)
            }
            guard let set = tables.set(row.agent, codec.decoder.tables.map(\.hash)) else {
                return read.loses(row, .unknownSeries)
            }
            let isPushed = isPushed(row.agent)
            return read.takes(
                row, codec.decoder, set, oldest: writableTimes.lowerBound, isWanted: isWanted,
                cuts: { id in
                    deleted.isEmpty ? [] : deleted.cuts(of: id.rawValue, block: row.id, isPushed: isPushed)
                })
        }
    }
}

extension ForwardFile.Row {
    init(_ row: BlockRow) {
        self.init(
            id: row.id, agent: row.agent, shift: row.shift, records: Int(row.records), receivedAt: row.receivedAt)
    }
}
