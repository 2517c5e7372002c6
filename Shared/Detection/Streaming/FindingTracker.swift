/// Something strange that lasts: opened by an alarm, closed when its source has been ordinary for a while.
package struct Finding: Sendable, Equatable {
    /// Unix milliseconds of the sample that alarmed.
    package var since: Int64
    /// Unix milliseconds of the last strange sample; nil while it is open.
    package var until: Int64?
    /// The largest score while it was open, and when.
    package var peakScore: Float
    package var peakAt: Int64
    /// Samples whose anomaly bit was set while it was open.
    package var anomalousSamples: UInt32

    package init(since: Int64, until: Int64?, peakScore: Float, peakAt: Int64, anomalousSamples: UInt32) {
        self.since = since
        self.until = until
        self.peakScore = peakScore
        self.peakAt = peakAt
        self.anomalousSamples = anomalousSamples
    }
}

/// Makes findings of one source's verdicts: an alarm opens one, and ten minutes without an anomaly bit close it.
package struct FindingTracker: Sendable, Equatable {
    /// What a verdict changed.
    package enum Change: Sendable, Equatable {
        case none
        case opened(Finding)
        case closed(Finding)
    }

    /// Ordinary milliseconds after which a finding closes.
    package static let quietMilliseconds: Int64 = 600_000

    package private(set) var open: Finding?
    private var lastStrange: Int64 = .min

    package init() {}

    /// - Parameter time: of the verdict, not before the verdict's before.
    package mutating func observe(_ verdict: Verdict, at time: Int64) -> Change {
        if verdict.isAnomalous || verdict.alarm { lastStrange = time }
        guard var finding = open else {
            guard verdict.alarm else { return .none }
            let opened = Finding(
                since: time, until: nil, peakScore: verdict.score, peakAt: time,
                anomalousSamples: verdict.isAnomalous ? 1 : 0)
            open = opened
            return .opened(opened)
        }
        if verdict.isAnomalous { finding.anomalousSamples &+= 1 }
        if verdict.score > finding.peakScore { (finding.peakScore, finding.peakAt) = (verdict.score, time) }
        guard time - lastStrange >= Self.quietMilliseconds else {
            open = finding
            return .none
        }
        finding.until = lastStrange
        open = nil
        return .closed(finding)
    }
}
