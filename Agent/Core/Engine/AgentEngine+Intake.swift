import Buffer
import Collectors
import Intake
import RuntimeSupport
import Telemetry
import Uplink
import WireFormat

extension AgentEngine {
    /// Stores what an application handed in, in rows of its own, and answers when all of it is committed.
    func accept(_ submission: IntakeSubmission) {
        guard submission.relayed.isEmpty else { return acceptRelayed(submission) }
        let records = submission.metrics.lazy.map { (descriptor: $0.descriptor, sample: $0.sample) }
        guard let pushed = accumulator.columns(of: records) else {
            submission.reply(.overloaded)
            return
        }
        let admission = streams.admit(submission.events)
        do {
            try store(admission.events, pushed.batch)
        } catch {
            streams.withdraw(admission.events)
            parts.report(.rowsNotStored(String(describing: error)))
            submission.reply(.failed(reason: "the buffer could not store it; try again later"))
            return
        }
        tell(families: submission.families)
        if rules != nil { for record in submission.metrics { judge(record.descriptor.key, record.sample) } }
        streams.record(admission.events, now: time.now)
        streams.announce(submission.announcements, now: time.now)
        metrics.add("stagebox_agent_intake_events_total", Double(admission.events.count))
        metrics.add("stagebox_agent_intake_duplicates_total", Double(admission.duplicates))
        metrics.add("stagebox_agent_intake_metrics_total", Double(submission.metrics.count - pushed.claimedCount))
        submission.reply(.committed(duplicates: admission.duplicates, claimed: pushed.claimedCount))
    }

    private func store(_ events: [ListeningEvent], _ samples: MetricBatch) throws {
        guard !events.isEmpty || samples.sampleCount > 0 else { return }
        buffer.rowsInFlight = uplink.rowsInFlight
        var announced: [UplinkEvent] = []
        try buffer.transaction(ifFull: .refuse) {
            var first = 0
            while first < events.count {
                let part = events[first..<min(first + Self.eventsPerRowMax, events.count)]
                first += part.count
                try store(row: part, [], &announced)
            }
            for part in samples.parts(samplesMax: AgentEngine.blockSamplesMax) where part.sampleCount > 0 {
                try append(part, &announced)
            }
        }
        if samples.sampleCount > 0 { keepLive() }
        announced.forEach(tell)
    }

    /// One row, or the halves of what is too large for one: an accepted event must never become a `too-large` loss.
    func store(
        row part: ArraySlice<ListeningEvent>, _ flags: BatchHeader.Flags, _ announced: inout [UplinkEvent]
    ) throws {
        let body = try compressor.compress(EventBlock.encode(Array(part)))
        guard body.count <= Self.eventBytesPerRowMax || part.count == 1 else {
            let middle = part.startIndex + part.count / 2
            try store(row: part[..<middle], flags, &announced)
            try store(row: part[middle...], flags, &announced)
            return
        }
        let times = part.map(\.at)
        let content = BatchSealer.Content(
            kind: .events, lane: .live, body: body, recordCount: UInt32(part.count), first: times.min() ?? time.now,
            last: times.max() ?? time.now, flags: flags)
        announced.append(contentsOf: events(of: try sealer.append(content, to: buffer)))
    }

    static let eventsPerRowMax = 512
    /// Padding adds an eighth at most, header and seal some hundred bytes: well below the batch limit.
    static let eventBytesPerRowMax = WireLimits.batchBytesMax * 3 / 4

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
        accumulator.add(scrape, from: .streams, anomalous: detect(scrape, .streams))
        judge(scrape, .streams)
    }
}
