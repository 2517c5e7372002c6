import Buffer
import RuntimeSupport
import Sources
import Telemetry
import Uplink
import WireFormat

// A relay hands on what a regional aggregator forwards. Its rows are the lanes' like any other: sealed, acknowledged,
// counted in the ledger. Detection does not look at them, nor are they this node's findings: it watches this node.
extension AgentEngine {
    /// Of what the buffer holds. Beyond it the sender keeps what it has, so that neither the node's own rows nor what was taken
    /// before have to go. Findings are taken beyond it, too: they are few, and somebody waits for them.
    static let relayedBufferShare = 0.75
    /// Of one block: with times of their own and nothing that compresses, these stay below the batch limit.
    static let relayedBlockSamplesMax = 12_000

    func acceptRelayed(_ submission: IntakeSubmission) {
        let handed = submission.relayed
        let held = Lane.allCases.reduce(0) { $0 + buffer.depth($1).bytes }
        guard
            handed.series.isEmpty && handed.events.isEmpty
                || Double(held) < Double(buffer.bytesForRows) * Self.relayedBufferShare
        else {
            metrics.add("stagebox_agent_relay_overloads_total")
            return submission.reply(.overloaded)
        }
        let relayed = accumulator.relayedColumns(of: handed.series)
        var left = relayed.refusedCount
        do { left += try store(handed, samples: relayed.batches) } catch {
            parts.report(.rowsNotStored(String(describing: error)))
            return submission.reply(.failed(reason: "the buffer could not store it; try again later"))
        }
        count(handed, left)
        submission.reply(.committed(duplicates: 0, claimed: left))
    }

    private func count(_ handed: RelayedRecords, _ left: Int) {
        let samples = handed.recordCount - handed.events.count - handed.findings.count - left
        for (name, count) in [
            ("stagebox_agent_relay_samples_total", samples), ("stagebox_agent_relay_events_total", handed.events.count),
            ("stagebox_agent_relay_findings_total", handed.findings.count),
        ] as [(StaticString, Int)] where count > 0 {
            metrics.add(name, Double(count))
        }
    }

    /// - Returns: samples that are left out, since no table has room for their series.
    private func store(_ handed: RelayedRecords, samples batches: [MetricBatch]) throws -> Int {
        guard !handed.isEmpty else { return 0 }
        buffer.rowsInFlight = uplink.rowsInFlight
        var announced: [UplinkEvent] = []
        var left = 0
        var told = toldFamilies
        let news = told.news(handed.families)
        try buffer.transaction(ifFull: .refuse) {
            for batch in batches {
                for part in batch.parts(samplesMax: Self.relayedBlockSamplesMax) where part.sampleCount > 0 {
                    left += try append(part, flags: .relayed, &announced)
                }
            }
            for first in stride(from: 0, to: handed.events.count, by: Self.eventsPerRowMax) {
                let part = handed.events[first..<min(first + Self.eventsPerRowMax, handed.events.count)]
                try store(row: part, .relayed, &announced)
            }
            try store(findings: handed.findings[...], &announced)
            try store(families: news[...], .relayed, &announced)
        }
        toldFamilies = told
        keepLive()
        announced.forEach(tell)
        return left
    }

    private func store(findings: ArraySlice<Finding>, _ announced: inout [UplinkEvent]) throws {
        guard let first = findings.map(\.since).min() else { return }
        let body = try compressor.compress(FindingBlock.encode(Array(findings.prefix(FindingBlock.findingsMax))))
        guard
            findings.count == 1
                || findings.count <= FindingBlock.findingsMax && body.count <= Self.eventBytesPerRowMax
        else {
            let middle = findings.startIndex + findings.count / 2
            try store(findings: findings[..<middle], &announced)
            return try store(findings: findings[middle...], &announced)
        }
        let now = time.now
        let content = BatchSealer.Content(
            kind: .findings, lane: .alert, body: body, recordCount: UInt32(findings.count), first: min(first, now),
            last: now, flags: .relayed)
        announced.append(contentsOf: events(of: try sealer.append(content, to: buffer)))
    }
}
