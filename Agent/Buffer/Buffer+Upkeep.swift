import RuntimeSupport
import SQLite
import Telemetry

extension Buffer {
    /// Housekeeping that is due: makes unsynchronised commits durable, deletes settled rows that no append took
    /// along, forgets unused tables and keys, expires refused rows, sweeps drained epochs, gives space back.
    /// Call it about every second; it is cheap when nothing is due. A full disk is an incident, not an error.
    package func upkeep() throws {
        precondition(staging == nil, "upkeep within a transaction")
        try tolerated { try upkeepNow() }
    }

    private func upkeepNow() throws {
        let now = nowMilliseconds
        if hasUnsynchronizedCommit, isSynchronizationDue {
            try guarded { try $0.database.synchronizeWAL() }
            hasUnsynchronizedCommit = false
            lastSynchronized = now
        }
        if books.accounts.values.contains(where: { !$0.acknowledged.isEmpty }) { try freeAcknowledged() }
        let isOverdue =
            books.deferredRows > 0 && now - books.deferredSince >= BufferLimits.deferredMilliseconds
        if isOverdue || !books.unsavedLosses.isEmpty { try flush() }
        guard lastUpkeep.map({ now - $0 >= 60_000 }) ?? true else { return }
        lastUpkeep = now
        try collectGarbage()
        try sweepEpochs()
        let oldest = time.now.advanced(byMilliseconds: -BufferLimits.parkedMilliseconds)
        if let parked = try guarded({ try $0.oldestParked() }), parked < oldest {
            try change { try $0.trimParked(before: oldest, toBytes: BufferLimits.parkedBytesMax) }
        }
        if try guarded({ try $0.lossCount() }) > BufferLimits.lossRecordsUsual { try mergeLosses() }
        try giveSpaceBack()
    }

    /// Forgets tables and keys that neither a row nor the live set names, and keys that no table kept is sealed with:
    /// a table is put once and named by the rows of later keys and starts.
    func collectGarbage() throws {
        guard let live = liveAuxiliaries else { return }
        // One that was put again leaves its predecessor to the rows that name it.
        var unused = books.auxiliaries.filter { id, auxiliary in
            auxiliary.rows <= 0 && (!live.contains(auxiliary.name) || books.auxiliaryIDs[auxiliary.name] != id)
        }
        guard !unused.isEmpty else { return }
        let kept = books.auxiliaries.filter { unused[$0.key] == nil }
        let keys = Set(kept.values.compactMap(\.sealingKey))
        unused = unused.filter { if case .key(let key) = $0.value.name { !keys.contains(key) } else { true } }
        guard !unused.isEmpty else { return }
        try change { store in
            for (id, auxiliary) in unused {
                try store.delete(auxiliary: id)
                books.auxiliaries[id] = nil
                if books.auxiliaryIDs[auxiliary.name] == id { books.auxiliaryIDs[auxiliary.name] = nil }
            }
        }
    }

    /// Sums up the ledgers of drained epochs beyond the newest `drainedEpochsMax`.
    private func sweepEpochs() throws {
        let store = try opened()
        var drained: [Int64] = []
        for ordinal in books.epochs.keys where ordinal != books.running {
            let isDrained = Lane.allCases.allSatisfy {
                let account = books.accounts[LaneID($0, ordinal: ordinal)]
                return account?.pending.batches ?? 0 == 0
                    && (account.map { $0.deferred.isEmpty && $0.acknowledged.isEmpty } ?? true)
            }
            let isTold =
                try !books.unsavedLosses.contains { $0.lane.ordinal == ordinal }
                && !store.hasLosses(ordinal: ordinal)
            if isDrained, isTold { drained.append(ordinal) }
        }
        let swept = drained.sorted().dropLast(configuration.drainedEpochsMax)
        guard !swept.isEmpty else { return }
        try change { store in
            for ordinal in swept {
                for lane in Lane.allCases {
                    let (id, sum) = (LaneID(lane, ordinal: ordinal), LaneID(lane, ordinal: 0))
                    guard let account = books.accounts[id] else { continue }
                    var total = books.accounts[sum] ?? LaneAccount(key: LaneKey(epoch: .zero, lane: lane))
                    total.produced += account.produced
                    total.committed += account.committed
                    total.rejected.merge(account.rejected, uniquingKeysWith: +)
                    total.dropped.merge(account.dropped, uniquingKeysWith: +)
                    books.accounts[sum] = total
                    books.accounts[id] = nil
                    books.dirty.insert(sum)
                    books.dirty.remove(id)
                }
                books.epochs[ordinal] = nil
                try store.deleteEpoch(ordinal)
            }
        }
    }

    /// Joins loss records between which no row lies any more.
    private func mergeLosses() throws {
        try change { store in
            let records = try store.losses(limit: .max).sorted {
                ($0.lane, $0.sequences.lowerBound) < ($1.lane, $1.sequences.lowerBound)
            }
            for record in records { try store.deleteLoss(record.row) }
            for record in records { try store.record(record, bridgesHoles: true) }
        }
    }

    // MARK: Space

    /// Writes the file anew once little of it is alive, so that a drained backlog does not keep its space.
    private func giveSpaceBack() throws {
        try guarded { store in
            let page = Int64(BufferLimits.pageSizeBytes)
            let free = Int64(try store.freePages) * page
            let alive = Int64(try store.pageCount) * page - free
            guard free > BufferLimits.freeBytesKept, alive <= BufferLimits.compactedBytesMax else { return }
            try store.database.vacuum(inMemory: true)
            try store.database.checkpoint(.truncate)
        }
    }

    /// When the bound was lowered: evicts down to it and writes the file anew. Needs room for a copy; if there is
    /// none, the file keeps its size, takes no more, and the next start tries again.
    func shrinkToCap() throws {
        guard let store, try store.pageCount > pagesMax else { return }
        let reserve = BufferLimits.reserveBytes / BufferLimits.pageSizeBytes + 8
        var cursor: (lane: Lane, row: Int64) = (.live, RowID.range(.live).lowerBound)
        do {
            var hasMore = true
            while hasMore {
                let excess = try store.pageCount - store.freePages - (pagesMax - reserve)
                guard excess > 0 else { break }
                let part = min(excess, 4096)
                try change { hasMore = try evict($0, pages: part, .bufferFull, &cursor) }
            }
            try store.database.checkpoint(.truncate)
            try store.database.vacuum(inMemory: false)
            try store.database.checkpoint(.truncate)
            try store.database.setPagesMax(pagesMax)
        } catch let error as SQLiteError where !error.isDamage {
            report(.writeFailed("\(error)"))
        }
        // Unreadable sizes show at the next call that needs them.
        if let pages = try? self.store?.pageCount, pages > pagesMax { report(.overCap(bytes: fileBytes)) }
    }
}
