import RuntimeSupport
import SQLite
import Telemetry
import WireFormat

extension Buffer {
    /// Writes what is staged. A full disk or file costs the oldest rows; damage costs the file.
    /// - Throws: `BufferError.notStored`; the books then say what became of the rows.
    func commit(_ staged: Staging) throws {
        let before = books
        var failure: SQLiteError
        do {
            return try write(staged, level: isSynchronizationDue ? .full : .normal)
        } catch {
            failure = Self.sqlite(error, path)
            books = before
        }
        var reason = LossReason.diskFull
        if failure.isFull || failure.code == .inputOutput, !failure.isDamage, let store {
            // An emptied WAL is written again from its start, so what the disk has already given is enough.
            // A checkpoint that fails changes nothing.
            let isAtCap =
                (try? store.pageCount + BufferLimits.reserveBytes / BufferLimits.pageSizeBytes) ?? 0 >= pagesMax
            reason = isAtCap ? .bufferFull : .diskFull
            _ = try? store.database.checkpoint(.restart)
            do {
                return try write(staged, level: isSynchronizationDue ? .full : .normal, mayGrow: false, reason: reason)
            } catch {
                failure = Self.sqlite(error, path)
                books = before
            }
        }
        if failure.isDamage { reason = .damaged }
        report(.writeFailed("\(failure)"))
        giveUp(staged, reason)
        if Self.isRepairable(failure) { try rebuild(after: failure, knowing: books) }
        throw BufferError.notStored(reason, cause: failure)
    }

    /// Turns staged rows into losses, or forgets them.
    private func giveUp(_ staged: Staging, _ reason: LossReason) {
        guard staged.policy == .declareLost else {
            books = staged.saved
            return
        }
        for row in staged.rows {
            let sequence = RowID.sequence(row.meta.id)
            let lane = RowID.lane(row.meta.id)
            _ = books.update(lane) { $0.drop(row.meta, reason) }
            books.use(row.meta.references, -1)
            books.addUnsaved(
                StoredLoss(lane: lane, sequences: sequence...sequence, count: row.meta.count, reason: reason))
        }
        for loss in staged.losses { books.addUnsaved(loss) }
        for auxiliary in staged.auxiliaries {
            books.auxiliaries[auxiliary.id] = nil
            books.auxiliaryIDs[auxiliary.name] = nil
        }
    }

    /// Deletes settled rows and writes whatever the books know and the file does not.
    package func flush() throws { try flush(synchronous: .normal) }

    func flush(synchronous level: DatabaseConfiguration.Synchronous) throws {
        precondition(staging == nil, "flush within a transaction")
        guard hasUnwritten || (level == .full && hasUnsynchronizedCommit) else { return }
        let strict = configuration.syncIntervalMilliseconds == 0 ? .full : level
        let before = books
        do {
            try write(nil, level: strict)
        } catch {
            books = before
            let error = Self.sqlite(error, path)
            if Self.isRepairable(error) { return try rebuild(after: error, knowing: books) }
            guard error.isFull || error.code == .inputOutput, let store else { throw error }
            // As in `commit`: an emptied WAL needs no new space.
            _ = try? store.database.checkpoint(.restart)
            do {
                try write(nil, level: strict)
            } catch {
                books = before
                throw error
            }
        }
    }

    /// Runs what can wait: a medium that takes nothing is reported, and the work stays to be done.
    func tolerated(_ body: () throws -> Void) throws {
        do {
            try body()
            isWriteFailing = false
        } catch let error as SQLiteError where error.isFull || error.code == .inputOutput {
            if !isWriteFailing { report(.writeFailed("\(error)")) }
            isWriteFailing = true
        }
    }

    var hasUnwritten: Bool {
        !books.dirty.isEmpty || !books.unsavedLosses.isEmpty || books.deferredRows > 0
            || books.auxiliaries.values.contains { $0.rows != $0.savedRows }
    }

    var isSynchronizationDue: Bool {
        lastSynchronized.map { nowMilliseconds - $0 >= configuration.syncIntervalMilliseconds } ?? true
    }

    /// One SQLite transaction. On an error the caller puts the books back.
    /// - Parameter mayGrow: whether the file may take new pages; else room is made among those it has.
    func write(
        _ staged: Staging?, level: DatabaseConfiguration.Synchronous, mayGrow: Bool = true,
        reason: LossReason = .bufferFull, _ more: (RowStore) throws -> Void = { _ in }
    ) throws {
        let store = try opened()
        try store.database.transaction(synchronous: level) {
            for row in staged?.takenLosses ?? [] { try store.deleteLoss(row) }
            try deleteDeferred(store)
            try more(store)
            for loss in books.unsavedLosses { try store.record(loss) }
            if let staged, staged.pages > 0 {
                try makeRoom(
                    store, pages: staged.pages, mayGrow: mayGrow, reason: reason, isReserved: staged.isReserved)
            }
            for auxiliary in staged?.auxiliaries ?? [] {
                try store.insert(auxiliary: auxiliary.id, auxiliary.name, auxiliary.payload)
            }
            for row in staged?.rows ?? [] { try store.insert(row.meta, payload: row.payload) }
            for loss in staged?.losses ?? [] { try store.record(loss) }
            for (key, value) in staged?.values ?? [:] { try store.setValue(key, value) }
            try saveBooks(store)
        }
        books.dirty = []
        books.unsavedLosses = []
        for (id, auxiliary) in books.auxiliaries where auxiliary.rows != auxiliary.savedRows {
            books.auxiliaries[id]?.savedRows = auxiliary.rows
        }
        let used = Set(books.accounts.keys.map(\.ordinal))
        for (ordinal, epoch) in books.epochs where !epoch.isSaved && used.contains(ordinal) {
            books.epochs[ordinal]?.isSaved = true
        }
        if level == .full {
            lastSynchronized = nowMilliseconds
            hasUnsynchronizedCommit = false
        } else {
            hasUnsynchronizedCommit = true
        }
    }

    private func saveBooks(_ store: RowStore) throws {
        let used = Set(books.accounts.keys.map(\.ordinal))
        for (ordinal, epoch) in books.epochs where !epoch.isSaved && used.contains(ordinal) {
            try store.saveEpoch(ordinal, epoch.id, isClosed: epoch.isClosed)
        }
        for id in books.dirty {
            if let account = books.accounts[id] { try store.save(account, id) }
        }
        for (id, auxiliary) in books.auxiliaries where auxiliary.rows != auxiliary.savedRows {
            try store.saveUses(id, auxiliary.rows)
        }
    }

    private func deleteDeferred(_ store: RowStore) throws {
        guard books.deferredRows > 0 else { return }
        for (id, account) in books.accounts where !account.deferred.isEmpty {
            for range in account.deferred { try store.delete(id.rows(range)) }
            books.accounts[id]?.deferred = []
        }
        books.deferredRows = 0
        books.deferredBytes = 0
    }

    // MARK: Room

    /// Evicts until `pages` more fit: refused rows first (they count already), then the oldest live rows, then
    /// the oldest alert rows; never losses or rows in flight.
    private func makeRoom(
        _ store: RowStore, pages: Int, mayGrow: Bool, reason: LossReason, isReserved: Bool
    ) throws {
        let reserve = isReserved || !mayGrow ? 0 : BufferLimits.reserveBytes / BufferLimits.pageSizeBytes
        // A few pages for the trees' inner nodes and the ledgers.
        let wanted = pages + reserve + 8
        var cursor: (lane: Lane, row: Int64) = (.live, RowID.range(.live).lowerBound)
        var hasParked = true
        while true {
            let free = try store.freePages
            let room = mayGrow ? pagesMax - (try store.pageCount) + free : free
            guard room < wanted else { return }
            if hasParked, try store.parkedBytes() > 0 {
                hasParked = false
                try store.trimParked(before: .distantPast, toBytes: 0)
                continue
            }
            guard try evict(store, pages: wanted - room, reason, &cursor) else {
                throw SQLiteError(
                    extendedCode: SQLiteError.Code.full.rawValue, message: "no row may be evicted",
                    operation: "make room in \(path)")
            }
        }
    }

    /// Evicts at least one row after the cursor, and no more than about `pages` need.
    /// - Returns: false when nothing is left to evict.
    func evict(
        _ store: RowStore, pages: Int, _ reason: LossReason, _ cursor: inout (lane: Lane, row: Int64)
    ) throws -> Bool {
        while true {
            let end = RowID.range(cursor.lane).upperBound
            let metas = cursor.row <= end ? try store.metas(cursor.row...end, limit: 32) : []
            guard let last = metas.last else {
                guard cursor.lane == .live else { return false }
                cursor = (.alert, RowID.range(.alert).lowerBound)
                continue
            }
            var freed = 0
            for meta in metas where meta.kind != .loss && !rowsInFlight.contains(meta.id) {
                try drop(store, meta, reason)
                freed += max(1, meta.sizeBytes / BufferLimits.pageSizeBytes)
                if freed >= pages {
                    cursor.row = meta.id + 1
                    return true
                }
            }
            cursor.row = last.id + 1
            if freed > 0 { return true }
        }
    }

    /// Deletes a row and records the loss, within the open transaction.
    func drop(_ store: RowStore, _ meta: RowMeta, _ reason: LossReason) throws {
        let (lane, sequence) = (RowID.lane(meta.id), RowID.sequence(meta.id))
        try store.delete(meta.id...meta.id)
        books.use(meta.references, -1)
        // A row of an account that the file does not know (damage) has nothing to be told.
        guard let account = books.accounts[lane] else { return }
        if account.acknowledgedRange(sequence) != nil {
            // The aggregator has it: not a loss.
            _ = books.update(lane) { $0.commit(meta) }
            return
        }
        _ = books.update(lane) { $0.drop(meta, reason) }
        try store.record(
            StoredLoss(lane: lane, sequences: sequence...sequence, count: meta.count, reason: reason))
    }
}
