/// What a detector says of one sample.
package struct Verdict: Sendable, Equatable {
    /// Strangeness, 0…1: 0.5 is what a tenth of the samples so far exceeded; 0 while nothing can be said.
    package var score: Float
    /// The anomaly bit: this sample's cell lies in the far tail of what came before.
    package var isAnomalous: Bool
    /// An alarm begins with this sample. It does not repeat while the alarm's rest time runs.
    package var alarm: Bool
    /// False for what could not be judged: not finite, out of order, or before the cold-start gate opened.
    package var isScored: Bool

    package init(score: Float, isAnomalous: Bool, alarm: Bool, isScored: Bool) {
        self.score = score
        self.isAnomalous = isAnomalous
        self.alarm = alarm
        self.isScored = isScored
    }

    package static let unscored = Verdict(score: 0, isAnomalous: false, alarm: false, isScored: false)
}

/// What a streaming detector is told from outside.
package struct DetectorConfiguration: Sendable, Equatable {
    /// Share (0.01…0.5) of a training window presumed anomalous: left out of the memories, and where the tail that is
    /// calibrated begins. `ANOMALY_DETECTION_THRESHOLD`.
    package var trimmedShare: Float
    /// Samples nearer together than this are averaged into one cell; samples at least this far apart are each a cell.
    package var cellMilliseconds: Int64
    /// Everything random comes from this and the detector's own number.
    package var seed: UInt64

    package init(trimmedShare: Double = 0.1, cellMilliseconds: Int64 = 10_000, seed: UInt64 = 1) {
        self.trimmedShare = Float(min(0.5, max(0.01, trimmedShare)))
        self.cellMilliseconds = max(1, cellMilliseconds)
        self.seed = seed
    }
}
