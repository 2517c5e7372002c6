import SQLite
package import Telemetry
package import WireFormat

extension Buffer {
    // MARK: Rows

    /// Pending rows of a lane over all epochs, oldest first.
    /// - Parameters:
    ///   - excluding: rows to pass over (those in flight); few.
    ///   - after: only rows behind this one, to go on from an earlier answer.
    /// - Complexity: the rows passed over and returned; payloads are not read.
    package func oldestPending(
        lane: Lane, limit: Int, excluding: Set<Int64> = [], after row: Int64? = nil
    ) throws -> [PendingBatch] {
        try pending(lane, limit, excluding, from: row, descending: false)
    }

    /// The same, newest first.
    package func newestPending(
        lane: Lane, limit: Int, excluding: Set<Int64> = [], before row: Int64? = nil
    ) throws -> [PendingBatch] {
        try pending(lane, limit, excluding, from: row, descending: true)
    }

    private func pending(
        _ lane: Lane, _ limit: Int, _ excluding: Set<Int64>, from row: Int64?, descending: Bool
    ) throws -> [PendingBatch] {
        var (first, last) = (RowID.range(lane).lowerBound, RowID.range(lane).upperBound)
        if let row { (first, last) = descending ? (first, min(last, row - 1)) : (max(first, row + 1), last) }
        var found: [PendingBatch] = []
        while found.count < limit, first <= last {
            let wanted = max(16, min(256, limit - found.count + excluding.count))
            let metas = try guarded { try $0.metas(first...last, limit: wanted, descending: descending) }
            guard var end = metas.last?.id else { break }
            for meta in metas where found.count < limit && !excluding.contains(meta.id) {
                if let rows = acknowledgedRows(meta.id) {
                    // Possibly very many, on their way out: go on behind them.
                    end = descending ? min(end, rows.lowerBound) : max(end, rows.upperBound)
                } else if let batch = pendingBatch(meta) {
                    found.append(batch)
                }
            }
            guard metas.count == wanted else { break }
            if descending { last = end - 1 } else { first = end + 1 }
        }
        return found
    }

    private func acknowledgedRows(_ row: Int64) -> ClosedRange<Int64>? {
        let id = RowID.lane(row)
        return books.accounts[id]?.acknowledgedRange(RowID.sequence(row)).map(id.rows)
    }

    private func pendingBatch(_ meta: RowMeta) -> PendingBatch? {
        let (lane, sequence) = (RowID.lane(meta.id), RowID.sequence(meta.id))
        guard let account = books.accounts[lane], account.isPending(sequence) else { return nil }
        return PendingBatch(
            row: meta.id, key: BatchKey(epoch: account.key.epoch, lane: account.key.lane, sequence: sequence),
            kind: meta.kind, sizeBytes: meta.sizeBytes, recordCount: meta.recordCount, storedAt: meta.storedAt)
    }

    /// The sealed payload of a row. A row whose checksum does not match becomes the loss `damaged`.
    /// - Returns: nil when the row is gone.
    package func payload(_ row: Int64) throws -> [UInt8]? {
        guard let found = try guarded({ try $0.row(row) }) else { return nil }
        let (lane, sequence) = (RowID.lane(row), RowID.sequence(row))
        guard books.accounts[lane]?.isPending(sequence) != false else { return nil }
        if found.isIntact { return found.payload }
        if let key = books.accounts[lane]?.key {
            report(.damagedRow(BatchKey(epoch: key.epoch, lane: key.lane, sequence: sequence)))
        }
        try change { try drop($0, found.meta, .damaged) }
        return nil
    }

    /// The key and tables that a row names, so that they can be sent before it.
    package func names(_ row: Int64) throws -> [AuxiliaryName] {
        let metas = try guarded { try $0.metas(row...row, limit: 1) }
        return (metas.first?.references ?? []).compactMap { books.auxiliaries[$0]?.name }
    }

    // MARK: Tables and keys

    package func contains(_ name: AuxiliaryName) -> Bool { books.auxiliaryIDs[name] != nil }

    /// A sealed table or key; nil when it is not here (any more) or damaged.
    package func auxiliary(_ name: AuxiliaryName) throws -> [UInt8]? {
        guard let id = books.auxiliaryIDs[name] else { return nil }
        if let payload = try guarded({ try $0.auxiliary(id) }) { return payload }
        // Damaged: forget it, so that it can be put again. Rows that name it stay, until they are declared lost.
        books.auxiliaryIDs[name] = nil
        return nil
    }

    /// A key is gone: the tables that are sealed with it are forgotten, so that they can be put again under another.
    /// Rows that name them stay, until they are declared lost.
    package func forgetTables(sealedWith key: DataKeyID) {
        for (id, auxiliary) in books.auxiliaries
        where auxiliary.sealingKey == key && books.auxiliaryIDs[auxiliary.name] == id {
            books.auxiliaryIDs[auxiliary.name] = nil
        }
    }

    /// What the running encoder will name again; the rest goes when no row names it.
    package func setLive(_ names: Set<AuxiliaryName>) { liveAuxiliaries = names }

    // MARK: Figures

    /// Rows and payload bytes waiting.
    package struct Depth: Hashable, Sendable {
        package var count = LedgerCount()
        package var bytes: UInt64 = 0
    }

    /// About what rows may take before the oldest have to give way, bytes: without the WAL, the reserve, tables and keys.
    package var bytesForRows: Int64 {
        max(
            0,
            configuration.bytesMax - BufferLimits.walBytesMax - Int64(BufferLimits.reserveBytes) - books.auxiliaryBytes)
    }

    package func depth(_ lane: Lane) -> Depth {
        books.accounts.reduce(into: Depth()) { depth, entry in
            guard entry.key.lane == lane else { return }
            depth.count += entry.value.pending
            depth.bytes += entry.value.pendingBytes
        }
    }

    /// The books of every (epoch, lane) known, oldest first; those with `EpochID.zero` sum up what was swept.
    package func ledger() -> [LaneLedger] {
        books.accounts.sorted { ($0.key.ordinal, $0.key.lane ?? .alert) < ($1.key.ordinal, $1.key.lane ?? .alert) }
            .map { $0.value.ledger(isRunning: $0.key.ordinal == books.running) }
    }

    /// What a birth says of each lane: the running epoch's first, then those with pending rows, then drained ones.
    package func laneStates(max: Int) throws -> [Birth.LaneState] {
        var ids = Array(books.accounts.keys).filter { $0.ordinal != 0 && $0.ordinal != books.running }
        ids.sort { left, right in
            let (isLeft, isRight) = (
                books.accounts[left]?.pending.batches ?? 0 > 0, books.accounts[right]?.pending.batches ?? 0 > 0
            )
            return isLeft == isRight ? (left.ordinal, left.rawValue) > (right.ordinal, right.rawValue) : isLeft
        }
        let running = Lane.allCases.map { LaneID($0, ordinal: books.running) }
        return try (running + ids).prefix(max).map { id in
            let account =
                books.accounts[id]
                ?? LaneAccount(key: LaneKey(epoch: runningEpoch, lane: id.lane ?? .live))
            return Birth.LaneState(
                laneKey: account.key, oldest: try oldestSequence(id) ?? account.next, next: account.next,
                produced: account.produced, dropped: account.ledger(isRunning: false).droppedTotal,
                pending: account.pending)
        }
    }

    private func oldestSequence(_ id: LaneID) throws -> UInt64? {
        guard let account = books.accounts[id], account.pending.batches > 0 else { return nil }
        let limit = BufferLimits.deferredRowsMax + 1
        var rows = id.allRows
        while true {
            let metas = try guarded { try $0.metas(rows, limit: limit) }
            if let first = metas.first(where: { account.isPending(RowID.sequence($0.id)) }) {
                return RowID.sequence(first.id)
            }
            guard metas.count == limit, let last = metas.last?.id else { return nil }
            let end = max(last, acknowledgedRows(last)?.upperBound ?? last)
            guard end < rows.upperBound else { return nil }
            rows = end + 1...rows.upperBound
        }
    }

    /// Losses that no batch carries yet.
    package func waitingLossCount() throws -> Int {
        books.unsavedLosses.count + (try guarded { try $0.lossCount() })
    }

    /// Refused rows kept for inspection, newest first.
    package func parkedRows(limit: Int) throws -> [ParkedRow] {
        try guarded { try $0.parked(limit: limit) }.map { row, code, at, payload in
            let key = books.accounts[RowID.lane(row)]?.key
            return ParkedRow(
                key: key.map { BatchKey(epoch: $0.epoch, lane: $0.lane, sequence: RowID.sequence(row)) }, code: code,
                parkedAt: at, payload: payload)
        }
    }
}

/// A row that the aggregator refused for good.
package struct ParkedRow: Hashable, Sendable {
    /// Nil when its epoch is no longer known.
    package var key: BatchKey?
    package var code: RejectionCode?
    package var parkedAt: Timestamp
    package var payload: [UInt8]
}
