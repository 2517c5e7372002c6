package import Buffer
import Collectors
import RuntimeSupport
import Sealing
package import Telemetry
import Uplink
import WireFormat

extension AgentEngine {
    /// Turns everything gathered since the last flush into sealed rows, in one transaction.
    func flush() {
        nextFlush = now + flushMilliseconds
        let batch = accumulator.take()
        do {
            if batch.sampleCount > 0 { try store(batch) }
            try storeLosses()
        } catch {
            metrics.add("stagebox_agent_flush_failures_total")
            parts.report(.rowsNotStored(String(describing: error)))
            try? storeLosses()  // they stay in the buffer until a flush succeeds
        }
        reportIncidents()
        publishOwnMetrics()
    }

    /// Every second: the buffer synchronises, frees, forgets and shrinks in small steps.
    func upkeep() {
        do { try buffer.upkeep() } catch { parts.report(.rowsNotStored("upkeep of the buffer: \(error)")) }
    }

    private func store(_ batch: MetricBatch) throws {
        var announced: [UplinkEvent] = []
        buffer.rowsInFlight = uplink.rowsInFlight
        try buffer.transaction {
            _ = try tables.cover(accumulator.registry.descriptors)
            for table in tables.tables where !buffer.contains(.table(table.hash)) {
                let newKey = try sealer.put(
                    table: table.hash, body: compressor.compress(table.encoded), seriesCount: table.count, in: buffer)
                if let newKey { announced.append(.auxiliaryStored(.key(newKey))) }
                announced.append(.auxiliaryStored(.table(table.hash)))
            }
            for part in batch.parts(samplesMax: AgentEngine.blockSamplesMax) {
                let stored = try sealer.append(try content(of: part), to: buffer)
                announced.append(contentsOf: events(of: stored))
            }
            for (key, value) in checkpoints { try buffer.stageValue(key, value) }
        }
        checkpoints = [:]
        // Only what this start still uses stays alive beside the rows that name it.
        var live = Set(tables.tables.map { AuxiliaryName.table($0.hash) })
        if let key = sealer.keys.current { live.insert(.key(key.key.id)) }
        buffer.setLive(live)
        announced.forEach(tell)
    }

    /// A block of this many samples stays far below the batch limit even when nothing compresses.
    static let blockSamplesMax = 24_000

    private func content(of batch: MetricBatch) throws -> BatchSealer.Content {
        let encoded = try encoder.encode(
            batch, tables: tables.tables.map { TableReference(hash: $0.hash, count: $0.count) })
        let first = batch.groups.compactMap(\.timestamps.first).min() ?? 0
        let last = batch.groups.compactMap(\.timestamps.last).max() ?? 0
        return BatchSealer.Content(
            kind: .metrics, lane: .live, body: try compressor.compress(encoded), recordCount: UInt32(batch.sampleCount),
            first: Timestamp(milliseconds: first), last: Timestamp(milliseconds: last),
            tables: tables.tables.map(\.hash))
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
        for lane in Lane.allCases {
            let depth = buffer.depth(lane)
            metrics.set("stagebox_agent_buffer_rows", Double(depth.count.batches), "lane", lane.name)
            metrics.set("stagebox_agent_buffer_bytes", Double(depth.bytes), "lane", lane.name)
        }
        metrics.set("stagebox_agent_series", Double(accumulator.registry.descriptors.count))
        metrics.set("stagebox_agent_samples_refused", Double(accumulator.refusedCount))
        metrics.set("stagebox_agent_uplink_online", uplink.isOnline ? 1 : 0)
        let counters = uplink.counters
        metrics.set("stagebox_agent_uplink_batches_sent", Double(counters.batchesSent))
        metrics.set("stagebox_agent_uplink_bytes_sent", Double(counters.bytesSent))
        metrics.set("stagebox_agent_uplink_batches_resent", Double(counters.batchesResent))
        metrics.set("stagebox_agent_uplink_connections", Double(counters.connections))
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
