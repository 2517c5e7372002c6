import RuntimeSupport
import SQLite
package import Telemetry
package import WireFormat

/// What an acknowledgement did to the buffer.
package struct SettleOutcome: Hashable, Sendable {
    /// Rows that it freed as committed.
    package var committed = LedgerCount()
    /// Rows that it refused for good; they are parked.
    package var rejected = LedgerCount()
    /// Rows that are to be sent again later.
    package var retry: [BatchKey] = []
    /// Lanes whose sequences it knows beyond what this buffer has produced; their epochs are closed.
    package var rewound: [LaneKey] = []
}

extension Buffer {
    /// Applies a verified acknowledgement: committed rows are freed, finally rejected ones parked and counted, rows
    /// to be retried stay. Repeating it changes nothing. Few rows are deleted with the next commit (at the latest
    /// by `upkeep()`); of many, `BufferLimits.settledBytesPerCall` at once and the rest by `upkeep()`: those are no
    /// longer offered, but count as pending until then.
    package func settle(_ acknowledgement: Acknowledgement) throws -> SettleOutcome {
        precondition(staging == nil, "settle within a transaction")
        var outcome = SettleOutcome()
        try park(acknowledgement.rejections, &outcome)
        for settled in acknowledgement.settled {
            // Epochs that are swept or belonged to a file that was lost have no rows here.
            guard let id = books.laneID(settled.laneKey), let next = books.accounts[id]?.next else { continue }
            let highest = max(settled.contiguous, settled.ranges.last?.upperBound ?? 0)
            if highest >= next { close(id, acknowledged: highest, next: next, &outcome) }
            let contiguous = settled.contiguous > 0 ? [1...settled.contiguous] : []
            for range in contiguous + settled.ranges where range.lowerBound < next && range.upperBound > 0 {
                books.accounts[id]?.acknowledged
                    .insert(joining: max(1, range.lowerBound)...min(range.upperBound, next - 1))
            }
        }
        outcome.committed = try freeAcknowledged()
        return outcome
    }

    private func close(_ id: LaneID, acknowledged: UInt64, next: UInt64, _ outcome: inout SettleOutcome) {
        guard let key = books.accounts[id]?.key else { return }
        outcome.rewound.append(key)
        guard books.epochs[id.ordinal]?.isClosed == false else { return }
        report(.rewound(key, acknowledged: acknowledged, next: next))
        books.epochs[id.ordinal]?.isClosed = true
        books.epochs[id.ordinal]?.isSaved = false
        books.dirty.insert(id)
        if id.ordinal == books.running { beginEpoch() }
    }

    /// Counts acknowledged rows as committed and has them deleted, as many as one call may.
    @discardableResult
    func freeAcknowledged() throws -> LedgerCount {
        var committed = LedgerCount()
        var bytes = 0
        for id in books.accounts.keys.sorted() {
            while bytes < BufferLimits.settledBytesPerCall, let range = books.accounts[id]?.acknowledged.first {
                let limit = BufferLimits.deletionRowsMax
                let metas = try guarded { try $0.metas(id.rows(range), limit: limit) }
                guard let account = books.accounts[id], !account.acknowledged.isEmpty else { break }
                var settled: [RowMeta] = []
                var through = range.upperBound
                for (index, meta) in metas.enumerated() {
                    if !account.isDeferred(RowID.sequence(meta.id)) {
                        settled.append(meta)
                        bytes += meta.sizeBytes
                    }
                    let isEnough = bytes >= BufferLimits.settledBytesPerCall
                    if index == limit - 1 || isEnough { through = RowID.sequence(meta.id) }
                    if isEnough { break }
                }
                for meta in settled {
                    _ = books.update(id) { $0.commit(meta) }
                    books.use(meta.references, -1)
                    committed += meta.count
                }
                deferDeletion(settled, id)
                books.accounts[id]?.acknowledged.remove(through: through)
                let isMuch =
                    books.deferredRows > BufferLimits.deferredRowsMax
                    || books.deferredBytes > BufferLimits.deferredBytesMax
                if isMuch { try tolerated { try flush() } }
            }
        }
        return committed
    }

    /// Works off everything that is acknowledged, however long it takes.
    package func finishSettling() throws {
        while books.accounts.values.contains(where: { !$0.acknowledged.isEmpty }) { try freeAcknowledged() }
        try flush()
    }

    /// Moves finally rejected rows aside.
    private func park(_ rejections: [Acknowledgement.Rejection], _ outcome: inout SettleOutcome) throws {
        var parked: [(meta: RowMeta, code: RejectionCode)] = []
        for rejection in rejections {
            guard let id = books.laneID(rejection.key.laneKey), let account = books.accounts[id],
                rejection.key.sequence > 0, rejection.key.sequence < account.next,
                account.isPending(rejection.key.sequence)
            else { continue }
            let row = RowID.make(id, rejection.key.sequence)
            guard let meta = try guarded({ try $0.metas(row...row, limit: 1) }).first else { continue }
            if !rejection.isFinal {
                outcome.retry.append(rejection.key)
            } else if !parked.contains(where: { $0.meta.id == row }) {
                parked.append((meta, rejection.code))
            }
        }
        guard !parked.isEmpty else { return }
        let files = rebuildCount
        var isDone = false
        try tolerated {
            isDone = try change { store in
                for (meta, code) in parked {
                    try store.park(meta.id, code, at: time.now, size: meta.sizeBytes)
                    try store.delete(meta.id...meta.id)
                    reject(meta, code)
                }
                try store.trimParked(
                    before: time.now.advanced(byMilliseconds: -BufferLimits.parkedMilliseconds),
                    toBytes: BufferLimits.parkedBytesMax)
            }
        }
        // With a file that had to be replaced its rows are lost, and were declared so.
        guard rebuildCount == files else { return }
        for (meta, code) in parked {
            outcome.rejected += meta.count
            guard !isDone else { continue }
            // No room to keep a copy: it still counts as rejected, not as committed.
            reject(meta, code)
            deferDeletion([meta], RowID.lane(meta.id))
        }
    }

    private func reject(_ meta: RowMeta, _ code: RejectionCode) {
        _ = books.update(RowID.lane(meta.id)) { account in
            account.removePending(meta)
            account.rejected[code, default: LedgerCount()] += meta.count
        }
        books.use(meta.references, -1)
    }

    /// Notes counted rows of one lane, ascending and without pending rows between them, for deletion.
    private func deferDeletion(_ metas: [RowMeta], _ id: LaneID) {
        guard let first = metas.first, let last = metas.last else { return }
        if books.deferredRows == 0 { books.deferredSince = nowMilliseconds }
        books.deferredRows += metas.count
        books.deferredBytes += metas.reduce(0) { $0 + Int64($1.sizeBytes) }
        books.accounts[id]?.deferred.insert(joining: RowID.sequence(first.id)...RowID.sequence(last.id))
    }

    /// Gives up one pending row, e.g. because the table that it names is gone.
    /// - Returns: false when it is not pending.
    @discardableResult
    package func declareLost(_ key: BatchKey, _ reason: LossReason) throws -> Bool {
        guard let id = books.laneID(key.laneKey), let account = books.accounts[id],
            (1..<account.next).contains(key.sequence), account.isPending(key.sequence)
        else { return false }
        let row = RowID.make(id, key.sequence)
        guard let meta = try guarded({ try $0.metas(row...row, limit: 1) }).first else { return false }
        return try change { try drop($0, meta, reason) }
    }

    /// Gives up all pending rows that name a table or key. Looks at every row's first page.
    package func declareLost(naming name: AuxiliaryName, _ reason: LossReason) throws -> LedgerCount {
        // One that was found damaged keeps its number beside that of its successor.
        let ids = Set(books.auxiliaries.filter { $0.value.name == name }.keys)
        var lost = LedgerCount()
        for lane in Lane.allCases {
            var range = RowID.range(lane)
            while ids.contains(where: { books.auxiliaries[$0]?.rows ?? 0 > 0 }) {
                let metas = try guarded { try $0.metas(range, limit: BufferLimits.deletionRowsMax) }
                guard let last = metas.last else { break }
                let named = metas.filter {
                    let account = books.accounts[RowID.lane($0.id)]
                    return !ids.isDisjoint(with: $0.references) && account?.isPending(RowID.sequence($0.id)) == true
                }
                if !named.isEmpty { try change { store in for meta in named { try drop(store, meta, reason) } } }
                lost = named.reduce(lost) { $0 + $1.count }
                guard last.id < range.upperBound else { break }
                range = last.id + 1...range.upperBound
            }
        }
        return lost
    }
}
