import Buffer
import Collectors
import Detection
import RuntimeSupport
import Sealing
package import Telemetry
import Uplink
import WireFormat

extension AgentEngine {
    /// Findings that the disk does not take now; beyond it the oldest are dropped and counted.
    static let waitingFindingsMax = 256
    /// Detection's own metrics are written once for so many scrapes of the collectors.
    private static let scrapesPerReport = 10

    /// Judges a scrape; what is found is sealed at once, into the alert lane.
    /// - Returns: the places of anomalous values.
    func detect(_ scrape: Scrape, _ source: SampleAccumulator.Source) -> [Int] {
        guard let outcome = detection?.observe(scrape, source) else { return [] }
        if !outcome.findings.isEmpty { tell(outcome.findings) }
        if source == .collectors {
            detectionScrapes += 1
            if detectionScrapes % Self.scrapesPerReport == 0 { reportDetection() }
        }
        return outcome.anomalous
    }

    /// Says what was found: to the node's log and file, and, sealed, to the aggregator.
    package func tell(_ findings: [Finding]) {
        for finding in findings {
            metrics.add(
                "stagebox_anomaly_findings_total", 1, "group", finding.group, "state",
                finding.until == nil ? "opened" : "closed")
            parts.report(.finding(finding))
        }
        parts.keepFindings(findings)
        waitingFindings += findings
        storeFindings()
        // What takes time comes last: by now the finding is in the buffer and on its way.
        findings.forEach(act)
    }

    /// Findings that an earlier start kept in the node's file, and ended before they were in the buffer.
    func reportAgain(_ kept: [Finding]) {
        waitingFindings += toldFindings.untold(of: kept)
        storeFindings()
    }

    /// Rows of the alert lane. What cannot be stored waits for the next flush.
    func storeFindings() {
        while let first = waitingFindings.first {
            let part = Array(waitingFindings.prefix(FindingBlock.findingsMax))
            let now = time.now
            do {
                let content = BatchSealer.Content(
                    kind: .findings, lane: .alert, body: try compressor.compress(FindingBlock.encode(part)),
                    recordCount: UInt32(part.count), first: min(first.since, now), last: now)
                buffer.rowsInFlight = uplink.rowsInFlight
                var announced: [UplinkEvent] = []
                var told = toldFindings
                told.add(part)
                try buffer.transaction(ifFull: .refuse) {
                    announced = events(of: try sealer.append(content, to: buffer))
                    try buffer.stageValue(ToldFindings.key, told.bytes)
                }
                toldFindings = told
                keepLive()
                announced.forEach(tell)
                waitingFindings.removeFirst(part.count)
            } catch {
                parts.report(.rowsNotStored("findings: \(error)"))
                let excess = waitingFindings.count - Self.waitingFindingsMax
                if excess > 0 {
                    waitingFindings.removeFirst(excess)
                    metrics.add("stagebox_anomaly_findings_dropped_total", Double(excess))
                }
                return
            }
        }
    }

    /// Models are kept hourly and at the end: a start after a crash has learnt an hour less.
    static let keepModelsMilliseconds: Int64 = 3_600_000

    func keepModels() {
        nextKeepModels = now + Self.keepModelsMilliseconds
        // Before the first metrics are judged there is nothing that a former start did not know better.
        guard let detection, detection.anomalyRate(of: nil) != nil else { return }
        parts.keepModels(detection.models)
    }

    func reportDetection() {
        guard let detection else { return }
        if let rate = detection.anomalyRate(of: nil) { metrics.set("stagebox_anomaly_rate", rate, "group", "all") }
        for group in DetectionGroup.allCases {
            if let rate = detection.anomalyRate(of: group) {
                metrics.set("stagebox_anomaly_rate", rate, "group", group.rawValue)
            }
            if let score = detection.score(of: group) {
                metrics.set("stagebox_anomaly_score", score, "group", group.rawValue)
            }
        }
        metrics.set("stagebox_anomaly_open_findings", Double(detection.openFindings.count))
        metrics.set("stagebox_detection_watched_series", Double(detection.watchedCount))
        metrics.set("stagebox_detection_unwatched_series", Double(detection.unwatchedCount))
        metrics.set("stagebox_detection_lost_models", Double(detection.lostModelsCount))
        metrics.set("stagebox_detection_unscored_samples", Double(detection.unscoredCount))
        metrics.set("stagebox_detection_state_bytes", Double(detection.stateBytes))
    }
}
