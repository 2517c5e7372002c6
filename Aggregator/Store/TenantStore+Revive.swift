import Ingest
import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry
import WireFormat

// Series come and go. The index forgets those that ended before everything that is kept; a table may still name them.
extension TenantStore {
    /// Numbers the series of tables anew that the index has forgotten: an agent that was away for longer than anything
    /// is kept sends on under a table that it need not send again. Those that were refused are let in if there is room.
    func revive(_ agent: AgentID, _ number: AgentNumber, _ hashes: [TableHash]) throws {
        for hash in hashes {
            let key = TableStore.Key(agent: number, hash: hash)
            guard let ids = tables.ids(key), index.lacksAny(of: ids, seriesMax: limits.activeSeries) else { continue }
            try ingest.use { database in
                let find = try database.statement("SELECT encoded FROM tables WHERE agent = ?1 AND hash = ?2")
                try find.bind(1, Int64(number))
                try find.bind(2, hash.bytes)
                guard try find.step() else { return }
                let encoded = find.blob(0)
                find.reset()
                let fresh = register(try StoreCodec.decodeTable(encoded), agent: number, labels: allLabels(of: agent))
                guard fresh != ids, fresh.count == ids.count else { return }
                countRefused(zip(ids, fresh).count { $0 != .none && $1 == .none })
                try indexFile.save(index)
                // What is delivered late of a deleted series stays deleted.
                try deletions.extend(zip(ids, fresh).filter { $0 != .none && $1 != .none && $0 != $1 })
                try database.transaction {
                    let update = try database.statement(
                        "UPDATE tables SET ids = ?3 WHERE agent = ?1 AND hash = ?2")
                    try update.bind(1, Int64(number))
                    try update.bind(2, hash.bytes)
                    try update.bind(3, IDList.encode(fresh.map { Int64($0.rawValue) }))
                    try update.run()
                }
                tables.replace(key, ids: fresh)
            }
        }
    }

    /// Finds or numbers series, as far as the tenant's limits allow; the rest has no id.
    func register(_ series: [SeriesDescriptor], agent: AgentNumber, labels: AgentLabels) -> [SeriesID] {
        let limits = limits
        return index.register(
            series, agent: agent, agentLabels: labels, seriesMax: limits.activeSeries,
            isAllowed: { limits.allow($0) })
    }

    func countRefused(_ series: Int) {
        if series > 0 { metrics.add("stagebox_store_series_refused_total", Double(series)) }
    }

    /// Drops tables none of whose series the index knows. At the start only, before anybody relies on a table; and not
    /// those of owners whose blocks wait in level 0, which may name them, nor those of deleted series, by which late
    /// samples are told.
    func dropEndedTables(in database: Database) throws {
        let waiting = Set(try IngestFile.rows(in: database).map(\.agent))
        let deleted = Set(deletions.current.all.flatMap(\.series))
        let ended = tables.all.filter { entry in
            !waiting.contains(entry.key.agent) && !entry.ids.isEmpty && index.lacksAll(of: entry.ids)
                && !entry.ids.contains { deleted.contains($0.rawValue) }
        }
        guard !ended.isEmpty else { return }
        try database.transaction {
            let delete = try database.statement("DELETE FROM tables WHERE agent = ?1 AND hash = ?2")
            for (key, _) in ended {
                try delete.bind(1, Int64(key.agent))
                try delete.bind(2, key.hash.bytes)
                try delete.run()
            }
        }
        for (key, _) in ended { tables.forget(key) }
        metrics.add("stagebox_store_tables_dropped_total", Double(ended.count))
    }

    /// The tenant's limits; in force at once.
    package var limits: TenantLimits {
        get { currentLimits.withLock { $0 } }
        set {
            let isNew = currentLimits.withLock { limits in
                defer { limits = newValue }
                return limits != newValue
            }
            // The next block of each table asks again for series that were refused.
            if isNew { tables.forgetTouched() }
        }
    }

    /// How long samples and rollups are kept.
    var retention: RetentionPolicy { limits.retention ?? configuration.retention }

    var eventsRetentionDays: Int { configuration.eventsRetentionDays(limits) }
}

extension TenantLimits {
    package func allow(_ key: SeriesKey) -> Bool {
        key.labels.count <= labels
            && key.labels.allSatisfy {
                $0.name.utf8.count <= labelNameBytes && $0.value.utf8.count <= labelValueBytes
            }
    }
}
