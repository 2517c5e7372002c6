#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Judges one metric as its samples arrive. Five members: the distance to what it did before by shape and by features,
/// an isolation forest over both, and the same one and two hours of earlier days, each calibrated by its own tail. And,
/// of samples nearer together than a minute, how far beyond everything met before they lie.
///
/// About 2 KB; a sample within a cell costs nanoseconds, the one that completes a cell some four microseconds.
package struct MetricDetector: Sendable {
    static let warmupCells = 30
    static let trainingCellsMax: UInt32 = 250
    /// How much of the score is left a cell later.
    static let release: Float = 0.995
    static let memberCount: Float = 5
    /// Differences of the forest's score below this are chance.
    static let forestGrain: Float = 0.01

    var configuration: DetectorConfiguration
    var cell = Cell()
    var origin: Double = .nan
    var past = MetricPast()
    var cells: UInt32 { past.cells }
    var cellsAway: UInt32 = 0
    var nextTraining: UInt32 = UInt32(warmupCells)
    var random: UInt64
    var memory = MetricMemory()
    /// The first cells' values, until they are trained on.
    var warmup: [Float] = []
    var season = SeasonalBaseline()
    var shapeTail = TailCalibration()
    var featureTail = TailCalibration()
    var forestTail = TailCalibration()
    var hourTail = TailCalibration()
    var twoHourTail = TailCalibration()
    var hourEvidence = SIMD2<Float>(repeating: 0)
    var extremes = Extremes()
    var policy = AlarmPolicy()
    var hold = LearningHold()
    /// Cells that wait to be learnt.
    var waiting: [Float] = []
    /// One while cells wait or are left out: the past with them in it.
    var trail: [MetricPast] = []
    var held: Float = 0
    var heldVerdict = Verdict.unscored
    /// Samples that could not be judged: not finite, out of order, or before the first training.
    package internal(set) var unscored: UInt32 = 0
    /// Evidence of the last cell.
    package private(set) var evidence: Float = 0
    /// That of its members: shape, features, forest; and of what lies beyond everything met before.
    package private(set) var memberEvidence = SIMD4<Float>(repeating: 0)

    /// - Parameter series: any number that stays with the metric; spreads trainings and chance.
    package init(configuration: DetectorConfiguration = DetectorConfiguration(), series: UInt64 = 0) {
        self.configuration = configuration
        random = (configuration.seed &* 0x9e37_79b9_7f4a_7c15) ^ (series &* 0xbf58_476d_1ce4_e5b9) | 1
        warmup.reserveCapacity(Self.warmupCells)
    }

    /// After a clock that stepped back: without this, samples are out of order until time has caught up.
    package mutating func restartTime() { cell.restart() }

    /// A training is due; until it is done the older memory judges.
    package var wantsTraining: Bool { cells >= nextTraining }

    package var stateBytes: Int {
        MemoryLayout<Self>.size + memory.codes.count + season.stateBytes + (warmup.count + waiting.count) * 4
            + trail.count * MemoryLayout<MetricPast>.stride
    }

    package mutating func observe(_ value: Double, at time: Int64) -> Verdict {
        guard value.isFinite else {
            unscored &+= 1
            return .unscored
        }
        switch cell.add(value, at: time, length: configuration.cellMilliseconds) {
        case .open:
            break
        case .outOfOrder:
            unscored &+= 1
            return .unscored
        case .complete(let mean, let time):
            let length = max(configuration.cellMilliseconds, cell.step)
            heldVerdict = judge(mean, at: time, length: length)
            let verdict = heldVerdict
            heldVerdict.alarm = false
            if !verdict.isScored { unscored &+= 1 }
            return verdict
        }
        if !heldVerdict.isScored { unscored &+= 1 }
        return heldVerdict
    }

    private mutating func judge(_ mean: Double, at time: Int64, length: Int64) -> Verdict {
        if origin.isNaN { origin = mean }
        // Beyond this, squares of single precision overflow.
        let value = Float(min(1e17, max(-1e17, mean - origin)))
        if cells < UInt32(Self.warmupCells) {
            _ = past.follow(value)
            warmup.append(value)
            _ = season.observe(value, at: time, isCoarse: length >= 60_000)
            return .unscored
        }
        guard memory.count > 0 else {
            _ = past.follow(value)
            return .unscored
        }
        let isFine = length < AlarmPolicy.fineMilliseconds
        judgeHours(value, at: time, length: length)
        let judged = judge(value, isFine: isFine)
        (evidence, memberEvidence) = (judged.evidence, judged.members)
        let isAnomalous = evidence > 2
        let alarm = policy.observe(evidence, extreme: memberEvidence.w, cellMilliseconds: length)
        take(value, judged, isFine ? hold.step(isAnomalous: isAnomalous, policy) : .learn, isFine: isFine)
        held = max(log1pf(judged.strangeness), held * Self.release)
        return Verdict(score: held / (0.6931472 + held), isAnomalous: isAnomalous, alarm: alarm, isScored: true)
    }

    /// One training: bounded by 64 rows, some 100 µs.
    package mutating func train() {
        guard wantsTraining else { return }
        if !warmup.isEmpty {
            memory.start(MetricPast.rows(of: warmup))
            warmup = []
        } else {
            memory.train(share: configuration.trimmedShare)
        }
        nextTraining = cells &+ min(Self.trainingCellsMax, max(15, cells / 2))
    }
}
