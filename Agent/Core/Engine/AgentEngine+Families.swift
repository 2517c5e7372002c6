import Buffer
import RuntimeSupport
import Telemetry
import Uplink
import WireFormat

extension AgentEngine {
    /// Beyond it what sources say of metric families is left out until the next start.
    static let waitingFamiliesMax = 4096

    /// Of what an application says of its metrics, what is news goes with the next flush.
    func tell(families: [MetricMetadata]) {
        guard !families.isEmpty else { return }
        let news = toldFamilies.news(families)
        waitingFamilies += news.prefix(max(0, Self.waitingFamiliesMax - waitingFamilies.count))
    }

    /// What sources said of metric families since the last flush. What cannot be stored waits for the next.
    func storeFamilies() {
        guard !waitingFamilies.isEmpty else { return }
        buffer.rowsInFlight = uplink.rowsInFlight
        var announced: [UplinkEvent] = []
        do {
            try buffer.transaction(ifFull: .refuse) { try store(families: waitingFamilies[...], [], &announced) }
        } catch {
            return parts.report(.rowsNotStored("families: \(error)"))
        }
        waitingFamilies = []
        keepLive()
        announced.forEach(tell)
    }

    /// Rows of the live lane, within the caller's transaction.
    func store(
        families: ArraySlice<MetricMetadata>, _ flags: BatchHeader.Flags, _ announced: inout [UplinkEvent]
    ) throws {
        guard !families.isEmpty else { return }
        let body = try compressor.compress(MetadataBlock.encode(Array(families.prefix(MetadataBlock.familiesMax))))
        guard
            families.count == 1
                || families.count <= MetadataBlock.familiesMax && body.count <= Self.eventBytesPerRowMax
        else {
            let middle = families.startIndex + families.count / 2
            try store(families: families[..<middle], flags, &announced)
            return try store(families: families[middle...], flags, &announced)
        }
        let now = time.now
        let content = BatchSealer.Content(
            kind: .metadata, lane: .live, body: body, recordCount: UInt32(families.count), first: now, last: now,
            flags: flags)
        announced.append(contentsOf: events(of: try sealer.append(content, to: buffer)))
    }
}
