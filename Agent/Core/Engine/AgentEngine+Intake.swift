import Buffer
import Collectors
import Intake
import RuntimeSupport
import Telemetry
import Uplink
import WireFormat

extension AgentEngine {
    /// Stores what an application handed in and answers when it is committed. Events go into a row at once;
    /// metrics join the samples of the next flush.
    func accept(_ submission: IntakeSubmission) {
        let admission = streams.admit(submission.events)
        do {
            if !admission.events.isEmpty { try store(admission.events) }
        } catch {
            streams.withdraw(admission.events)
            parts.report(.rowsNotStored(String(describing: error)))
            submission.reply(.failed(reason: "the buffer could not store the events; try again later"))
            return
        }
        streams.record(admission.events, now: time.now)
        streams.announce(submission.announcements, now: time.now)
        var refused = 0
        for metric in submission.metrics
        where !accumulator.add(metric.descriptor.key, metric.descriptor.type, metric.sample) { refused += 1 }
        metrics.add("stagebox_agent_intake_events_total", Double(admission.events.count))
        metrics.add("stagebox_agent_intake_duplicates_total", Double(admission.duplicates))
        metrics.add("stagebox_agent_intake_metrics_total", Double(submission.metrics.count - refused))
        submission.reply(refused > 0 ? .overloaded : .committed(duplicates: admission.duplicates))
    }

    private func store(_ events: [ListeningEvent]) throws {
        buffer.rowsInFlight = uplink.rowsInFlight
        var announced: [UplinkEvent] = []
        try buffer.transaction(ifFull: .refuse) {
            var first = 0
            while first < events.count {
                let part = Array(events[first..<min(first + Self.eventsPerRowMax, events.count)])
                first += part.count
                let times = part.map(\.at)
                let content = BatchSealer.Content(
                    kind: .events, lane: .live, body: try compressor.compress(EventBlock.encode(part)),
                    recordCount: UInt32(part.count), first: times.min() ?? time.now, last: times.max() ?? time.now)
                announced.append(contentsOf: self.events(of: try sealer.append(content, to: buffer)))
            }
        }
        announced.forEach(tell)
    }

    /// Keeps a row below the batch limit even with every attribute at its longest and nothing compressing well.
    private static let eventsPerRowMax = 512

    /// Reads the stream metrics as if a collector had.
    func tickStreams() {
        let now = time.now
        streams.tick(now: now)
        let count = streams.descriptors.count
        guard count > 0 else { return }
        let scrape = Scrape(
            timestamp: Timestamp(milliseconds: now.milliseconds / 1000 * 1000), intervalMilliseconds: 1000,
            layout: UInt64(count), newDescriptors: Array(streams.descriptors[streamDescriptorsSent...]),
            handles: Array(0..<UInt32(count)), values: streams.values)
        streamDescriptorsSent = count
        accumulator.add(scrape, from: .streams)
    }
}
