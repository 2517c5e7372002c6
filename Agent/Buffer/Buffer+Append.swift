import RuntimeSupport
import SQLite
package import Telemetry
package import WireFormat

/// What a transaction does when its rows cannot be stored, neither now nor after making room.
package enum FullPolicy: Sendable {
    /// They count as produced and lost; the loss is told to the aggregator.
    case declareLost
    /// Nothing of them counts; the caller still has the data (an intake that answers 503).
    case refuse
}

/// Rows sealed but not yet written.
struct Staging {
    /// The books before the first of them.
    var saved: Books
    var policy: FullPolicy
    var rows: [(meta: RowMeta, payload: [UInt8])] = []
    var auxiliaries: [(id: Int64, name: AuxiliaryName, payload: [UInt8])] = []
    var losses: [StoredLoss] = []
    /// Loss records on disk that a staged loss batch now carries.
    var takenLosses: [Int64] = []
    /// Small state that is committed with the rows.
    var values: [String: [UInt8]] = [:]
    var bytes = 0
    var pages = 0

    init(saved: Books, policy: FullPolicy) {
        self.saved = saved
        self.policy = policy
    }
    var isEmpty: Bool { rows.isEmpty && auxiliaries.isEmpty && losses.isEmpty && takenLosses.isEmpty && values.isEmpty }
    /// Losses may use the reserve.
    var isReserved: Bool { auxiliaries.isEmpty && rows.allSatisfy { $0.meta.kind == .loss } }
}

extension Buffer {
    /// Stores what `body` appends and puts in one transaction (in several when it is over
    /// `BufferLimits.transactionBytesMax`). When it returns, all is committed.
    /// - Throws: what `body` throws, with nothing of the last part stored; `BufferError.notStored` when the rows
    ///   could not be written.
    package func transaction<Result>(ifFull policy: FullPolicy = .declareLost, _ body: () throws -> Result) throws
        -> Result
    {
        precondition(staging == nil, "buffer transactions do not nest")
        staging = Staging(saved: books, policy: policy)
        let result: Result
        do {
            result = try body()
        } catch {
            if let staging { books = staging.saved }
            staging = nil
            throw error
        }
        if let staged = staging {
            staging = nil
            if !staged.isEmpty { try commit(staged) }
        }
        return result
    }

    /// Runs within the open transaction, or in one of its own.
    private func joined<Result>(_ body: () throws -> Result) throws -> Result {
        staging == nil ? try transaction(body) : try body()
    }

    /// Allocates the next sequence of a lane, has the batch sealed under it and stores both together.
    /// - Parameters:
    ///   - firstTimestamp: of its records; not kept, the header has it.
    ///   - key, tables: what the aggregator needs to read it; they must have been put (`missingAuxiliary` if not).
    ///   - seal: makes the whole PUBLISH payload for this key. What it throws leaves nothing behind.
    /// - Returns: nil when the payload is over `WireLimits.batchBytesMax`: then it is the loss `too-large`.
    package func append(
        lane: Lane, kind: BatchKind, recordCount: UInt32, firstTimestamp: Timestamp, key: DataKeyID? = nil,
        tables: [TableHash] = [], seal: (BatchKey) throws -> [UInt8]
    ) throws -> PendingBatch? {
        precondition(kind.isSequenced, "\(kind.name) batches carry no sequence: put them")
        precondition(tables.count <= BufferLimits.tablesPerRowMax, "\(tables.count) tables in one batch")
        return try joined {
            var references: [Int64] = []
            for name in [key.map(AuxiliaryName.key)].compactMap({ $0 }) + tables.map(AuxiliaryName.table) {
                guard let id = books.auxiliaryIDs[name] else { throw BufferError.missingAuxiliary(name) }
                references.append(id)
            }
            return try stage(lane, kind, recordCount, references, seal)
        }
    }

    /// Seals up to `BufferLimits.lossRecordsPerBatchMax` waiting losses as one batch of the alert lane.
    /// - Returns: nil when there are none, or as many loss batches wait already as may.
    package func appendLosses(key: DataKeyID? = nil, seal: (BatchKey, [LossRecord]) throws -> [UInt8]) throws
        -> PendingBatch?
    {
        precondition(staging == nil, "losses are appended in a transaction of their own")
        guard books.pendingLossBatches < UInt64(BufferLimits.lossBatchesMax) else { return nil }
        if !books.unsavedLosses.isEmpty { try flush() }
        let stored = try guarded { try $0.losses(limit: BufferLimits.lossRecordsPerBatchMax) }
        guard !stored.isEmpty else { return nil }
        return try transaction {
            var references: [Int64] = []
            if let key {
                guard let id = books.auxiliaryIDs[.key(key)] else {
                    throw BufferError.missingAuxiliary(.key(key))
                }
                references = [id]
            }
            let records = stored.compactMap { loss in
                books.accounts[loss.lane].map {
                    LossRecord(laneKey: $0.key, sequences: loss.sequences, count: loss.count, reason: loss.reason)
                }
            }
            staging?.takenLosses = stored.map(\.row)
            guard !records.isEmpty else { return nil }
            return try stage(.alert, .loss, UInt32(records.count), references) { try seal($0, records) }
        }
    }

    private func stage(
        _ lane: Lane, _ kind: BatchKind, _ recordCount: UInt32, _ references: [Int64],
        _ seal: (BatchKey) throws -> [UInt8]
    ) throws -> PendingBatch? {
        if let next = books.accounts[LaneID(lane, ordinal: books.running)]?.next, next >= RowID.sequenceMax {
            beginEpoch()
        }
        let laneID = LaneID(lane, ordinal: books.running)
        let sequence = books.accounts[laneID]?.next ?? 1
        let key = BatchKey(epoch: runningEpoch, lane: lane, sequence: sequence)
        let payload = try seal(key)
        let meta = RowMeta(
            id: RowID.make(laneID, sequence), kind: kind, recordCount: recordCount, sizeBytes: payload.count,
            storedAt: time.now, references: references)
        let isTooLarge = payload.count > WireLimits.batchBytesMax
        _ = books.update(laneID) { account in
            account.next += 1
            account.produced += meta.count
            account.pending += meta.count
            account.pendingBytes += UInt64(payload.count)
            if kind == .loss { account.pendingLossBatches += 1 }
            if isTooLarge { account.drop(meta, .tooLarge) }
        }
        if isTooLarge {
            staging?.losses.append(
                StoredLoss(lane: laneID, sequences: sequence...sequence, count: meta.count, reason: .tooLarge))
            return nil
        }
        books.use(references, 1)
        staging?.rows.append((meta, payload))
        staging?.bytes += payload.count
        staging?.pages += RowStore.pages(bytes: payload.count)
        try commitPartIfLarge()
        return PendingBatch(
            row: meta.id, key: key, kind: kind, sizeBytes: payload.count, recordCount: recordCount,
            storedAt: meta.storedAt)
    }

    /// Stores a sealed table or key under its name; again is no error. It stays while a row or the live set names
    /// it, and joins the live set.
    package func put(_ name: AuxiliaryName, _ payload: [UInt8]) throws {
        liveAuxiliaries?.insert(name)
        guard books.auxiliaryIDs[name] == nil else { return }
        let size = Int64(payload.count)
        if !hasRoom(forAuxiliary: size) {
            if staging == nil { try collectGarbage() }
            guard hasRoom(forAuxiliary: size) else { throw BufferError.auxiliaryFull }
        }
        try joined {
            let id = books.nextAuxiliary
            books.nextAuxiliary += 1
            books.auxiliaries[id] = Auxiliary(name: name, payload: payload, sizeBytes: size)
            books.auxiliaryIDs[name] = id
            staging?.auxiliaries.append((id, name, payload))
            staging?.bytes += payload.count
            staging?.pages += RowStore.pages(bytes: payload.count)
            try commitPartIfLarge()
        }
    }

    private func hasRoom(forAuxiliary size: Int64) -> Bool {
        books.auxiliaries.count < BufferLimits.auxiliaryCountMax && books.auxiliaryBytes + size <= auxiliaryBytesMax
    }

    private func commitPartIfLarge() throws {
        guard let part = staging, part.bytes >= BufferLimits.transactionBytesMax else { return }
        staging = Staging(saved: books, policy: part.policy)
        defer { staging?.saved = books }
        try commit(part)
    }
}
