package import Buffer
import Collectors
import RuntimeSupport
import Sealing
package import Telemetry
import Uplink
import WireFormat

extension AgentEngine {
    /// Turns everything gathered since the last flush into sealed rows. What cannot be stored now stays gathered, in
    /// order and up to ``unstoredSamplesMax`` samples, and is tried again with the next flush.
    func flush() {
        nextFlush = now + flushMilliseconds
        let batch = accumulator.take()
        if batch.sampleCount > 0 {
            unstored.append(
                Unstored(parts: batch.parts(samplesMax: AgentEngine.blockSamplesMax), checkpoints: checkpoints))
            checkpoints = [:]
        }
        storeGathered()
        storeFamilies()
        storeFindings()
        do { try storeLosses() } catch {
            // They stay in the buffer until a flush succeeds.
            parts.report(.rowsNotStored(String(describing: error)))
        }
        reportIncidents()
        publishOwnMetrics()
    }

    /// What one flush took, as far as it is not in the buffer.
    struct Unstored {
        /// Each a row of its own, stored in one transaction; the checkpoints go with the last.
        var parts: [MetricBatch]
        var checkpoints: [String: [UInt8]]
        var attempts = 0
        var sampleCount: Int { parts.reduce(0) { $0 + $1.sampleCount } }
    }

    /// Of the samples that a disk which takes nothing may hold back: 8 MB, a quarter of an hour of 576 series a second.
    static let unstoredSamplesMax = 500_000

    private func storeGathered() {
        while !unstored.isEmpty {
            // Beyond the bound the oldest goes: into the buffer, or else it is declared lost there.
            let isLast = unstored.reduce(0) { $0 + $1.sampleCount } > Self.unstoredSamplesMax
            do {
                try storeFirst(ifFull: isLast ? .declareLost : .refuse)
                unstored.removeFirst()
            } catch {
                metrics.add("stagebox_agent_flush_failures_total")
                parts.report(.rowsNotStored(String(describing: error)))
                unstored[0].attempts += 1
                if !isLast, Self.isWorthRepeating(error, unstored[0].attempts) { break }
                forsakeFirst()
            }
        }
        if unstored.isEmpty { accumulator.renewIfWorthwhile() }
    }

    /// Stores what is left of the oldest flush, row by row: a row that is stored is not stored again.
    private func storeFirst(ifFull policy: FullPolicy) throws {
        while let part = unstored[0].parts.first {
            let isLast = unstored[0].parts.count == 1
            try store(part, isLast ? unstored[0].checkpoints : [:], ifFull: policy)
            unstored[0].parts.removeFirst()
        }
    }

    /// Whether what failed may succeed another time. The buffer's own failures pass with the disk's; what cannot be
    /// encoded never will be; anything else gets ``attemptsMax`` flushes and must then not keep the rest waiting.
    private static func isWorthRepeating(_ error: any Error, _ attempts: Int) -> Bool {
        error is BufferError || !(error is WireError) && attempts < attemptsMax
    }

    private static let attemptsMax = 30

    private func forsakeFirst() {
        let first = unstored.removeFirst()
        metrics.add("stagebox_agent_samples_dropped_total", Double(first.sampleCount), "reason", "not-stored")
        // Places that sources had read to: what comes next has them too, or newer ones.
        if unstored.isEmpty {
            checkpoints.merge(first.checkpoints) { newer, _ in newer }
        } else {
            unstored[0].checkpoints.merge(first.checkpoints) { newer, _ in newer }
        }
    }

    /// Every second: the buffer synchronises, frees, forgets and shrinks in small steps.
    func upkeep() {
        do { try buffer.upkeep() } catch { parts.report(.rowsNotStored("upkeep of the buffer: \(error)")) }
    }

    private func store(_ batch: MetricBatch, _ checkpoints: [String: [UInt8]], ifFull policy: FullPolicy) throws {
        var announced: [UplinkEvent] = []
        buffer.rowsInFlight = uplink.rowsInFlight
        try buffer.transaction(ifFull: policy) {
            try append(batch, &announced)
            for (key, value) in checkpoints {
                do { try buffer.stageValue(key, value) } catch BufferError.valueTooLarge(let key) {
                    parts.report(.rowsNotStored("the place \(key) is not kept: there are too many"))
                }
            }
        }
        keepLive()
        announced.forEach(tell)
    }

    /// Within the caller's transaction: the tables that name the batch's series, and its row.
    /// - Returns: samples that are left out, since no table names their series; they are counted.
    @discardableResult
    func append(_ batch: MetricBatch, flags: BatchHeader.Flags = [], _ announced: inout [UplinkEvent]) throws -> Int {
        _ = try tables.cover(accumulator.registry.descriptors, renewals: accumulator.renewals)
        var (batch, left) = (batch, 0)
        if tables.covered < accumulator.registry.descriptors.count {
            (batch, left) = batch.keeping(seriesBelow: tables.covered)
            if left > 0 {
                metrics.add("stagebox_agent_samples_dropped_total", Double(left), "reason", "table-limit")
            }
        }
        for table in tables.tables where !buffer.contains(.table(table.hash)) {
            let newKey = try sealer.put(
                table: table.hash, body: compressor.compress(table.encoded), seriesCount: table.count, in: buffer)
            if let newKey { announced.append(.auxiliaryStored(.key(newKey))) }
            announced.append(.auxiliaryStored(.table(table.hash)))
        }
        guard batch.sampleCount > 0 else { return left }
        announced.append(contentsOf: events(of: try sealer.append(try content(of: batch, flags), to: buffer)))
        return left
    }

    /// Only what this start still uses stays alive beside the rows that name it.
    func keepLive() {
        var live = Set(tables.tables.map { AuxiliaryName.table($0.hash) })
        if let key = sealer.keys.current { live.insert(.key(key.key.id)) }
        buffer.setLive(live)
    }

    /// A block of this many samples stays far below the batch limit even when nothing compresses.
    static let blockSamplesMax = 24_000

    private func content(of batch: MetricBatch, _ flags: BatchHeader.Flags) throws -> BatchSealer.Content {
        let encoded = try encoder.encode(
            batch, tables: tables.tables.map { TableReference(hash: $0.hash, count: $0.count) })
        let first = batch.groups.compactMap(\.timestamps.first).min() ?? 0
        let last = batch.groups.compactMap(\.timestamps.last).max() ?? 0
        return BatchSealer.Content(
            kind: .metrics, lane: .live, body: try compressor.compress(encoded), recordCount: UInt32(batch.sampleCount),
            first: Timestamp(milliseconds: first), last: Timestamp(milliseconds: last),
            tables: tables.tables.map(\.hash), flags: flags)
    }

    func storeLosses() throws {
        guard try buffer.waitingLossCount() > 0 else { return }
        let stored = try sealer.appendLosses(to: buffer) { LossBody(records: $0).encoded() }
        stored.flatMap(events(of:)).forEach(tell)
    }

    func events(of stored: BatchSealer.Stored) -> [UplinkEvent] {
        var events: [UplinkEvent] = []
        if let key = stored.newKey { events.append(.auxiliaryStored(.key(key))) }
        if let batch = stored.batch { events.append(.stored(batch.key.laneKey, next: batch.key.sequence + 1)) }
        return events
    }

    private func reportIncidents() {
        for incident in buffer.takeIncidents() {
            metrics.add("stagebox_agent_buffer_incidents_total")
            parts.report(.bufferIncident(String(describing: incident)))
        }
    }

    private func publishOwnMetrics() {
        reportRules()
        for lane in Lane.allCases {
            let depth = buffer.depth(lane)
            metrics.set("stagebox_agent_buffer_rows", Double(depth.count.batches), "lane", lane.name)
            metrics.set("stagebox_agent_buffer_bytes", Double(depth.bytes), "lane", lane.name)
        }
        metrics.set("stagebox_agent_series", Double(accumulator.registry.descriptors.count))
        for (reason, count) in accumulator.refused {
            metrics.set("stagebox_agent_samples_refused", Double(count), "reason", reason.rawValue)
        }
        metrics.set("stagebox_agent_samples_unstored", Double(unstored.reduce(0) { $0 + $1.sampleCount }))
        metrics.set("stagebox_agent_uplink_online", uplink.isOnline ? 1 : 0)
        let counters = uplink.counters
        metrics.set("stagebox_agent_uplink_batches_sent", Double(counters.batchesSent))
        metrics.set("stagebox_agent_uplink_bytes_sent", Double(counters.bytesSent))
        metrics.set("stagebox_agent_uplink_batches_resent", Double(counters.batchesResent))
        metrics.set("stagebox_agent_uplink_connections", Double(counters.connections))
        metrics.set("stagebox_agent_uplink_control_messages_dropped", Double(counters.controlMessagesDropped))
        metrics.clear("stagebox_agent_ledger_batches")
        metrics.clear("stagebox_agent_ledger_records")
        for entry in buffer.ledger() {
            for (state, count) in entry.states {
                let labels = [
                    "epoch", entry.laneKey.epoch.description, "lane", entry.laneKey.lane.name, "state", state,
                ]
                metrics.set("stagebox_agent_ledger_batches", Double(count.batches), labels: labels)
                metrics.set("stagebox_agent_ledger_records", Double(count.records), labels: labels)
            }
        }
    }
}

extension LaneLedger {
    /// The ledger's columns; the first equals the sum of the others.
    package var states: [(String, LedgerCount)] {
        [
            ("produced", produced), ("committed", committed), ("rejected", rejectedTotal), ("dropped", droppedTotal),
            ("pending", pending),
        ]
    }
}
