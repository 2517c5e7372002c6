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
                let part = events[first..<min(first + Self.eventsPerRowMax, events.count)]
                first += part.count
                try store(row: part, &announced)
            }
        }
        announced.forEach(tell)
    }

    /// One row, or the halves of what is too large for one: an accepted event must never become a `too-large` loss.
    private func store(row part: ArraySlice<ListeningEvent>, _ announced: inout [UplinkEvent]) throws {
        let body = try compressor.compress(EventBlock.encode(Array(part)))
        guard body.count <= Self.eventBytesPerRowMax || part.count == 1 else {
            let middle = part.startIndex + part.count / 2
            try store(row: part[..<middle], &announced)
            try store(row: part[middle...], &announced)
            return
        }
        let times = part.map(\.at)
        let content = BatchSealer.Content(
            kind: .events, lane: .live, body: body, recordCount: UInt32(part.count), first: times.min() ?? time.now,
            last: times.max() ?? time.now)
        announced.append(contentsOf: events(of: try sealer.append(content, to: buffer)))
    }

    private static let eventsPerRowMax = 512
    /// Padding adds an eighth at most, header and seal some hundred bytes: well below the batch limit.
    private static let eventBytesPerRowMax = WireLimits.batchBytesMax * 3 / 4

    /// Reads the stream metrics as if a collector had.
    func tickStreams() {
        let now = time.now
        streams.tick(now: now)
        let count = streams.descriptors.count
        guard count > 0 else { return }
        let new = streams.descriptors[streamDescriptorsSent...]
        // A counter that appears counted nothing until now: its first value is an increase, after a restart too.
        streamStarts += new.map { $0.type == .counter ? startTime.milliseconds : 0 }
        let scrape = Scrape(
            timestamp: Timestamp(milliseconds: now.milliseconds / 1000 * 1000), intervalMilliseconds: 1000,
            layout: UInt64(count), newDescriptors: Array(new), handles: Array(0..<UInt32(count)),
            values: streams.values, startTimestamps: streamStarts)
        streamDescriptorsSent = count
        accumulator.add(scrape, from: .streams)
    }
}
