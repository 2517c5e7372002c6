import Buffer
import RuntimeSupport
import Sources
import Telemetry
import Uplink
import WireFormat

// A relay hands on what a regional aggregator forwards. Its rows are the lane's like any other: sealed, acknowledged,
// counted in the ledger. Detection does not look at them: it watches this node.
extension AgentEngine {
    /// Of what the buffer holds. Beyond it the sender keeps what it has, so that neither the node's own rows nor what was taken
    /// before have to go.
    static let relayedBufferShare = 0.75
    /// Of one block: with times of their own and nothing that compresses, these stay below the batch limit.
    static let relayedBlockSamplesMax = 12_000

    func acceptRelayed(_ submission: IntakeSubmission) {
        let held = Lane.allCases.reduce(0) { $0 + buffer.depth($1).bytes }
        guard Double(held) < Double(buffer.bytesForRows) * Self.relayedBufferShare else {
            metrics.add("stagebox_agent_relay_overloads_total")
            return submission.reply(.overloaded)
        }
        let relayed = accumulator.relayedColumns(of: submission.relayed)
        var left = relayed.refusedCount
        do { left += try store(relayed: relayed.batches) } catch {
            parts.report(.rowsNotStored(String(describing: error)))
            return submission.reply(.failed(reason: "the buffer could not store it; try again later"))
        }
        metrics.add("stagebox_agent_relay_samples_total", Double(submission.recordCount - left))
        submission.reply(.committed(duplicates: 0, claimed: left))
    }

    /// - Returns: samples that are left out, since no table has room for their series.
    private func store(relayed batches: [MetricBatch]) throws -> Int {
        guard !batches.isEmpty else { return 0 }
        buffer.rowsInFlight = uplink.rowsInFlight
        var announced: [UplinkEvent] = []
        var left = 0
        try buffer.transaction(ifFull: .refuse) {
            for batch in batches {
                for part in batch.parts(samplesMax: Self.relayedBlockSamplesMax) where part.sampleCount > 0 {
                    left += try append(part, flags: .relayed, &announced)
                }
            }
        }
        keepLive()
        announced.forEach(tell)
        return left
    }
}
