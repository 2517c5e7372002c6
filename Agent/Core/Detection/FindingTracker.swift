package import Telemetry

/// Opens and closes the findings of one group. While one is open no other opens, so that trouble is told once however
/// many metrics show it.
package struct FindingTracker {
    /// It closes when this long fewer than a quarter of the metrics involved were anomalous.
    package static let restMilliseconds: Int64 = 40_000
    package static let calmShare = 0.25
    /// Metrics kept as involved; the strangest go into the report.
    package static let involvedMax = 32

    /// What one look at the group's metrics found.
    package struct Look {
        package var time: Int64
        /// The group's own detector, or one of its metrics, alarms now.
        package var isAlarm = false
        /// The group's own detector finds the row anomalous.
        package var isGroupAnomalous = false
        /// The highest score of the group and its anomalous metrics.
        package var score: Float = 0
        /// Metrics that are anomalous now, with their scores.
        package var anomalous: [(metric: Int, score: Float)] = []

        package init(time: Int64) { self.time = time }
    }

    package enum Change {
        case opened(Finding)
        case closed(Finding)
    }

    package let group: DetectionGroup
    package private(set) var open: Finding?
    /// Highest scores by metric, while open.
    package private(set) var involved: [Int: Float] = [:]
    private var lastAnomalousAt = Int64.min
    /// An earlier start opened it, and this one has not looked yet.
    private var isAdopted = false
    /// The rest before closing does not begin earlier.
    private var restsFrom = Int64.min

    package init(group: DetectionGroup) { self.group = group }

    /// Goes on with what an earlier start left open: it closes after a rest as any other, and ended then when it was last
    /// known to be strange.
    package mutating func adopt(_ finding: Finding) {
        guard open == nil else { return }
        open = finding
        involved = [:]
        lastAnomalousAt = max(finding.since, finding.peakAt).milliseconds
        isAdopted = true
    }

    /// - Parameter id: of the finding that may open.
    package mutating func observe(_ look: Look, id: @autoclosure () -> ID128) -> Change? {
        guard var finding = open else {
            guard look.isAlarm else { return nil }
            let at = Timestamp(milliseconds: look.time)
            let finding = Finding(
                id: id(), group: group.rawValue, since: at, score: Double(look.score), peakAt: at, anomalousCount: 1)
            open = finding
            lastAnomalousAt = look.time
            restsFrom = .min
            involve(look)
            return .opened(finding)
        }
        if isAdopted {
            isAdopted = false
            restsFrom = look.time
        }
        // A clock that was set back: the finding's times would contradict themselves.
        let isBack = look.time < finding.since.milliseconds
        let share = Double(look.anomalous.count { involved[$0.metric] != nil }) / Double(max(1, involved.count))
        if look.isAlarm || look.isGroupAnomalous || share > Self.calmShare, !isBack {
            lastAnomalousAt = look.time
            finding.anomalousCount &+= 1
            if Double(look.score) > finding.score {
                finding.score = Double(look.score)
                finding.peakAt = Timestamp(milliseconds: look.time)
            }
            if look.isAlarm { involve(look) }
            open = finding
            return nil
        }
        guard isBack || look.time - max(lastAnomalousAt, restsFrom) >= Self.restMilliseconds else {
            open = finding
            return nil
        }
        finding.until = Timestamp(milliseconds: max(finding.since.milliseconds, lastAnomalousAt))
        open = nil
        return .closed(finding)
    }

    private mutating func involve(_ look: Look) {
        if look.isAlarm, open?.anomalousCount == 1 { involved = [:] }
        for (metric, score) in look.anomalous.sorted(by: { $0.score > $1.score }) {
            guard involved[metric] != nil || involved.count < Self.involvedMax else { break }
            involved[metric] = max(involved[metric] ?? 0, score)
        }
    }
}
