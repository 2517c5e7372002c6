import RuntimeSupport
import SQLite
import Telemetry
import WireFormat

/// What can still be read of a file that was set aside.
private struct Salvage {
    var books: Books?
    var losses: [StoredLoss] = []
    var auxiliaries: [(id: Int64, name: AuxiliaryName, payload: [UInt8])] = []
    var values: [String: [UInt8]] = [:]

    /// Each part is read for itself; a part that fails is simply missing.
    init(path: String) {
        guard let store = try? RowStore(path: path) else { return }
        defer { store.database.close() }
        books = try? Buffer.load(store)
        losses = (try? store.losses(limit: BufferLimits.lossRecordsUsual)) ?? []
        values = (try? store.values()) ?? [:]
        for (id, auxiliary) in (try? store.auxiliaries()) ?? [:] {
            if let payload = try? store.auxiliary(id) { auxiliaries.append((id, auxiliary.name, payload)) }
        }
    }
}

extension Buffer {
    /// Runs a read; damage replaces the file, after which the read runs once more on the new one.
    func guarded<Result>(_ body: (RowStore) throws -> Result) throws -> Result {
        do {
            return try body(try opened())
        } catch let error as SQLiteError where error.isDamage {
            try rebuild(after: error, knowing: books)
            return try body(try opened())
        }
    }

    /// Runs a change in a transaction that also writes the books.
    /// - Parameter isRepeatable: whether it still makes sense on the new file when damage has replaced this one.
    /// - Returns: false when the file was replaced and the change not made.
    @discardableResult
    func change(
        level: DatabaseConfiguration.Synchronous = .normal, isRepeatable: Bool = false,
        _ body: (RowStore) throws -> Void
    ) throws -> Bool {
        precondition(staging == nil, "a change within a transaction")
        let strict = configuration.syncIntervalMilliseconds == 0 ? .full : level
        let before = books
        do {
            try write(nil, level: strict, body)
            return true
        } catch {
            books = before
            let error = Self.sqlite(error, path)
            guard Self.isRepairable(error) else { throw error }
            try rebuild(after: error, knowing: books)
            guard isRepeatable else { return false }
            try write(nil, level: strict, body)
            return true
        }
    }

    /// Sets the file aside and begins a new one. Ledgers, epochs, waiting losses, keyed values, tables and keys
    /// are carried over as far as they can be read; the rows are declared lost.
    /// - Parameter known: the books when they were in memory already.
    func rebuild(after cause: SQLiteError, knowing known: Books?) throws {
        store?.database.close()
        store = nil
        rebuildCount += 1
        let aside: String
        do {
            aside = try Database.quarantine(path, unixSeconds: time.now.milliseconds / 1000)
        } catch {
            throw BufferError.cannotOpen(error)
        }
        let salvage = Salvage(path: aside)
        trimQuarantines()
        var carried = known ?? salvage.books ?? Books()
        carried.auxiliaries = [:]
        carried.auxiliaryIDs = [:]
        for auxiliary in salvage.auxiliaries {
            carried.auxiliaries[auxiliary.id] = Auxiliary(
                name: auxiliary.name, payload: auxiliary.payload, sizeBytes: Int64(auxiliary.payload.count))
            carried.auxiliaryIDs[auxiliary.name] = auxiliary.id
        }
        carried.nextAuxiliary = max(carried.nextAuxiliary, (carried.auxiliaries.keys.max() ?? 0) + 1)
        carried.deferredRows = 0
        carried.deferredBytes = 0
        for ordinal in carried.epochs.keys { carried.epochs[ordinal]?.isSaved = false }
        for loss in salvage.losses where carried.accounts[loss.lane] != nil { carried.unsavedLosses.append(loss) }
        books = carried
        var lost = LedgerCount()
        for (id, account) in carried.accounts {
            books.accounts[id]?.deferred = []
            books.accounts[id]?.acknowledged = []
            books.dirty.insert(id)
            lost += account.pending
            declareMissing(id, account.pending, holes: account.next > 1 ? [1...account.next - 1] : [])
            books.accounts[id]?.pendingBytes = 0
            books.accounts[id]?.pendingLossBatches = 0
        }
        report(.setAside(path: aside, cause: "\(cause)", lost: lost))
        beginEpoch()
        // Should the new file not open or take this, the books stay in memory and the next commit writes them.
        _ = try opened()
        try? write(nil, level: .full) { store in
            for auxiliary in salvage.auxiliaries {
                try store.insert(auxiliary: auxiliary.id, auxiliary.name, auxiliary.payload)
            }
            for (key, value) in salvage.values { try store.setValue(key, value) }
        }
    }

    /// Keeps the newest of what was set aside, by number and by the bytes that one buffer may have.
    private func trimQuarantines() {
        var bytes: Int64 = 0
        for (index, path) in Database.quarantined(path).reversed().enumerated() {
            bytes += Database.fileBytes(path) + Database.fileBytes(path + "-wal")
            let isKept = index < configuration.quarantinesMax && (index == 0 || bytes <= configuration.bytesMax)
            if !isKept { Database.remove(path) }
        }
    }

    // MARK: Rows against ledgers

    /// Moves rows that are not there from pending to the drop `damaged`, told as the newest holes.
    private func declareMissing(_ id: LaneID, _ missing: LedgerCount, holes: [ClosedRange<UInt64>]) {
        guard missing.batches > 0 else { return }
        _ = books.update(id) { account in
            account.pending = account.pending - missing
            account.dropped[.damaged, default: LedgerCount()] += missing
        }
        var left = missing
        for (index, hole) in holes.reversed().enumerated() where left.batches > 0 {
            let isLast = index == holes.count - 1
            let size = hole.upperBound - hole.lowerBound + 1
            let batches = isLast ? left.batches : min(size, left.batches)
            let count = LedgerCount(batches: batches, records: batches == left.batches ? left.records : 0)
            left = left - count
            books.addUnsaved(StoredLoss(lane: id, sequences: hole, count: count, reason: .damaged))
        }
    }

    /// Compares every ledger with the rows that are really there, and corrects it. Reads each row's first page.
    func reconcileAll(_ store: RowStore) throws {
        for id in books.accounts.keys where id.ordinal != 0 {
            try restoreEpoch(of: id, store)
            try reconcile(id, store)
        }
        for lane in Lane.allCases { try deleteStrays(lane, store) }
    }

    /// The list of epochs has no checksum, and with a wrong epoch no acknowledgement would find the rows. Their own
    /// headers tell the right one: the first intact row's, unless another epoch of the file has that name.
    private func restoreEpoch(of id: LaneID, _ store: RowStore) throws {
        guard let known = books.epochs[id.ordinal]?.id, let epoch = try writtenEpoch(of: id, store), epoch != known,
            !books.epochs.values.contains(where: { $0.id == epoch })
        else { return }
        books.epochs[id.ordinal]?.id = epoch
        books.epochs[id.ordinal]?.isSaved = false
        for other in books.accounts.keys where other.ordinal == id.ordinal {
            _ = books.update(other) { $0.key.epoch = epoch }
        }
    }

    /// The epoch in the header of the first intact row among the oldest eight.
    private func writtenEpoch(of id: LaneID, _ store: RowStore) throws -> EpochID? {
        for meta in try store.metas(id.allRows, limit: 8) {
            guard let row = try store.row(meta.id), row.isIntact,
                let header = try? BatchHeader(decodingPrefixOf: row.payload),
                header.sequence == RowID.sequence(meta.id), header.lane == id.lane
            else { continue }
            return header.epoch
        }
        return nil
    }

    private func reconcile(_ id: LaneID, _ store: RowStore) throws {
        guard let account = books.accounts[id] else { return }
        let (count, bytes, losses) = try store.totals(id.allRows)
        guard count != account.pending || bytes != account.pendingBytes || losses != account.pendingLossBatches else {
            return
        }
        let missing = account.pending - count
        let isConsistent = account.pending.batches >= count.batches && account.pending.records >= count.records
        let highest = try store.metas(id.allRows, limit: 1, descending: true).first.map { RowID.sequence($0.id) } ?? 0
        _ = books.update(id) { account in
            account.pendingBytes = bytes
            account.pendingLossBatches = losses
            account.next = max(account.next, highest + 1)
            // More than the ledger knows: numbers of a damaged row. The rows count as they are.
            if !isConsistent {
                account.pending = count
                account.produced = account.produced - missing
            }
        }
        guard isConsistent, missing.batches > 0 else { return }
        declareMissing(id, missing, holes: try holes(id, store))
        report(.missingRows(account.key, missing))
    }

    /// Ranges of sequences without a row, at most 64 (the newest).
    private func holes(_ id: LaneID, _ store: RowStore) throws -> [ClosedRange<UInt64>] {
        var found: [ClosedRange<UInt64>] = []
        guard let next = books.accounts[id]?.next, next > 1 else { return [] }
        var upper = next - 1
        while upper >= 1, found.count < 64 {
            let metas = try store.metas(id.rows(1...upper), limit: 256, descending: true)
            for meta in metas {
                let sequence = RowID.sequence(meta.id)
                if sequence < upper { found.append(sequence + 1...upper) }
                upper = sequence - 1
            }
            if metas.count < 256 {
                if upper >= 1 { found.append(1...upper) }
                break
            }
        }
        return found.prefix(64).reversed()
    }

    /// Rows of lanes that no ledger knows can neither be told nor acknowledged.
    private func deleteStrays(_ lane: Lane, _ store: RowStore) throws {
        var first = RowID.range(lane).lowerBound
        while let row = try store.metas(first...RowID.range(lane).upperBound, limit: 1).first {
            let id = RowID.lane(row.id)
            if books.accounts[id] == nil { try store.delete(id.allRows) }
            guard id.allRows.upperBound < RowID.range(lane).upperBound else { return }
            first = id.allRows.upperBound + 1
        }
    }
}
