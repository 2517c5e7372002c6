import RuntimeSupport
import SQLite
import Synchronization
package import Telemetry
import WireFormat

/// Events to hand on, as they were committed.
package struct ForwardEvents: Sendable {
    /// May be empty although ``end`` lies further on.
    package internal(set) var events: [ListeningEvent] = []
    /// The block to go on with.
    package internal(set) var end: Int64
    package internal(set) var losses: [ForwardLoss: Int] = [:]
}

/// Changes of findings to hand on, each finding with its source.
package struct ForwardFindings: Sendable {
    package internal(set) var findings: [Finding] = []
    package internal(set) var end: Int64
    package internal(set) var losses: [ForwardLoss: Int] = [:]
}

// Handing events and findings on: whoever answers for what was sent calls ``noteForwarded(_:)``, after a crash the same
// comes again. An event has its id and a finding, too, so that it counts once.
extension TenantStore {
    /// Blocks of events that one read looks at.
    private static let eventBlocksMax = 64

    func handsOn(_ lane: ForwardLane) -> Bool { forwarding.withLock { $0 }?.lanes[lane] != nil }

    /// The commit gate is held.
    func setLanes(_ wanted: Set<ForwardLane>) throws {
        guard let file = forwarding.withLock({ $0 }) else { return }
        let known = file.lanes
        for lane in ForwardLane.allCases {
            switch (lane, wanted.contains(lane), known[lane] != nil) {
            case (.events, true, false): try file.set(.events, next: state.withLock { $0.nextBlock })
            case (.findings, true, false):
                try ingest.use { database in
                    try database.transaction(synchronous: .full) { try FindingOutbox.addOpen(in: database) }
                }
                try file.set(.findings, next: 0)
            case (.findings, false, true):
                try file.set(.findings, next: nil)
                try ingest.use { database in try database.transaction { try FindingOutbox.removeAll(in: database) } }
            case (.events, false, true): try file.set(.events, next: nil)
            case (_, true, true), (_, false, false): break
            }
        }
    }

    package func countForwardLosses(_ lane: ForwardLane, _ losses: [ForwardLoss: Int]) {
        for (reason, count) in losses where count > 0 {
            let name: StaticString =
                lane == .events ? "stagebox_forward_lost_events_total" : "stagebox_forward_lost_findings_total"
            metrics.add(name, Double(count), "tenant", tenant.rawValue, "reason", reason.rawValue)
        }
    }

    // MARK: Events

    /// Copies event blocks that are about to leave level 0 to where their turn finds them. Durable when it returns.
    func keepEventsForForwarding(_ ids: [Int64]) throws {
        guard let file = forwarding.withLock({ $0 }), let next = file.lanes[.events] else { return }
        var pieces: [(row: ForwardFile.EventRow, body: [UInt8])] = []
        var bytes = 0
        for id in ids.sorted() where id >= next {
            let found = try ingestReaders.use { database -> (BlockRow, [UInt8])? in
                guard let row = try IngestFile.row(of: id, in: database), row.kind == .events, row.state == .normal,
                    let body = try IngestFile.body(of: id, in: database)
                else { return nil }
                return (row, body)
            }
            guard let (row, body) = found else { continue }
            pieces.append((ForwardFile.EventRow(id: id, shift: row.shift, records: Int(row.records)), body))
            bytes += body.count
            guard bytes >= Self.forwardCopyBytes else { continue }
            try file.keep(events: pieces)
            pieces.removeAll(keepingCapacity: true)
            bytes = 0
        }
        if !pieces.isEmpty { try file.keep(events: pieces) }
    }

    /// The next events to hand on: whole blocks, further ones as long as there are fewer than `eventsMax`.
    /// - Returns: nil when nothing waits, or events are not handed on.
    package func forwardEvents(eventsMax: Int) throws -> ForwardEvents? {
        guard let file = forwarding.withLock({ $0 }), let next = file.lanes[.events] else { return nil }
        return try throwing {
            var batch = ForwardEvents(end: next)
            let oldest = time.now.advanced(
                byMilliseconds: 0 &- Int64(eventsRetentionDays) &* StoreLimits.dayMilliseconds)
            for row in try forwardEventRows(file, from: next) {
                guard batch.events.isEmpty || batch.events.count + row.records <= eventsMax else { break }
                batch.end = row.id + 1
                let body =
                    try ingestReaders.use { try IngestFile.body(of: row.id, in: $0) } ?? file.eventBody(of: row.id)
                // Set aside or dropped meanwhile, and counted there.
                guard let body else { continue }
                guard let events = try? StoreCodec.decodeEvents(body) else {
                    batch.losses[.damaged, default: 0] += row.records
                    continue
                }
                for var event in events {
                    event.at = event.at.advanced(byMilliseconds: row.shift)
                    event.receivedAt = event.receivedAt.advanced(byMilliseconds: row.shift)
                    if event.at < oldest {
                        batch.losses[.retention, default: 0] += 1
                    } else {
                        batch.events.append(event)
                    }
                }
            }
            return batch.end > next ? batch : nil
        }
    }

    /// Blocks in level 0 and those that left it, ascending. Level 0 is read first: what leaves it meanwhile is found
    /// where it goes.
    private func forwardEventRows(_ file: ForwardFile, from id: Int64) throws -> [ForwardFile.EventRow] {
        var rows: [Int64: ForwardFile.EventRow] = [:]
        try ingestReaders.use { database in
            let statement = try database.statement(
                """
                SELECT id, shift, records FROM block
                  WHERE id >= ?1 AND kind = \(BatchKind.events.rawValue) AND state = 0 ORDER BY id LIMIT ?2
                """)
            defer { statement.reset() }
            try statement.bind(1, id)
            try statement.bind(2, Self.eventBlocksMax)
            while try statement.step() {
                rows[statement.integer(0)] = ForwardFile.EventRow(
                    id: statement.integer(0), shift: statement.integer(1), records: Int(statement.integer(2)))
            }
        }
        for row in try file.eventRows(from: id, limit: Self.eventBlocksMax) { rows[row.id] = row }
        // Of two lists that were cut only what both may hold is known to be without a gap.
        return Array(rows.values.sorted { $0.id < $1.id }.prefix(Self.eventBlocksMax))
    }

    package func noteForwarded(_ batch: ForwardEvents) throws {
        try throwing { try forwarding.withLock { $0 }?.set(.events, next: batch.end) }
        countForwardLosses(.events, batch.losses)
    }

    /// Drops the oldest events that wait beside level 0, beyond so many bytes.
    package func trimForwardEvents(to bytesMax: Int64) throws {
        let lost = try throwing { try forwarding.withLock { $0 }?.trimEvents(to: bytesMax) ?? 0 }
        countForwardLosses(.events, [.backlogFull: lost])
    }

    // MARK: Findings

    /// The next changes of findings, in their order, with whose they are.
    /// - Returns: nil when nothing waits, or findings are not handed on.
    package func forwardFindings(limit: Int) throws -> ForwardFindings? {
        guard handsOn(.findings) else { return nil }
        let entries = try throwing { try ingestReaders.use { try FindingOutbox.first(limit, in: $0) } }
        guard let last = entries.last else { return nil }
        var batch = ForwardFindings(end: last.change)
        for entry in entries {
            guard var finding = entry.finding, let sender = agents.name(of: entry.agent) else {
                batch.losses[.damaged, default: 0] += 1
                continue
            }
            var source =
                finding.source ?? Finding.Source(node: sender, isByPeers: entry.origin == .fleet)
            if finding.source != nil { source.relays.append(sender) }
            if source.region.isEmpty { source.region = region(of: sender) }
            guard source.relays.count <= Finding.Source.relaysMax else {
                batch.losses[.relays, default: 0] += 1
                continue
            }
            finding.source = source
            batch.findings.append(finding)
        }
        return batch
    }

    package func noteForwarded(_ batch: ForwardFindings) throws {
        try throwing {
            try ingest.use { database in
                try database.transaction { try FindingOutbox.remove(through: batch.end, in: database) }
            }
        }
        countForwardLosses(.findings, batch.losses)
    }

    /// Findings that wait to be handed on.
    package var forwardFindingCount: Int {
        get throws { try throwing { Int(try ingestReaders.use { try FindingOutbox.count(in: $0) }) } }
    }

    /// Of events that wait beside level 0.
    package var forwardEventBytes: Int64 { forwarding.withLock { $0 }?.eventBytes ?? 0 }
}
