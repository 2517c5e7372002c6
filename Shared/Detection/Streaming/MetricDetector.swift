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
        MemoryLayout<Self>.size + memory.codes.count + season.stateBytes + warmup.count * 4
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
        let row = past.follow(value)
        if cells <= UInt32(Self.warmupCells) {
            warmup.append(value)
            _ = season.observe(value, at: time, isCoarse: length >= 60_000)
            return .unscored
        }
        guard memory.count > 0 else { return .unscored }
        let strangeness = judgeRow(row)
        judgeHours(value, at: time, length: length)
        if length < AlarmPolicy.fineMilliseconds { judgeExtremes(row) }
        remember(row)
        let alarm = policy.observe(evidence, extreme: memberEvidence.w, cellMilliseconds: length)
        held = max(log1pf(strangeness), held * Self.release)
        return Verdict(
            score: held / (0.6931472 + held),
            isAnomalous: evidence > 2, alarm: alarm, isScored: true)
    }

    /// Evidence of the memory's members; returns how strange the row is (1 = the body's end).
    private mutating func judgeRow(_ row: MetricRow) -> Float {
        if memory.isConstant {
            memberEvidence = .zero
            // A series that rests has no scale: only how seldom it moved speaks (Laplace's rule of succession).
            let isAway = abs(row.lags[0] - memory.centres[0]) > 1e-6 * abs(memory.centres[0])
            evidence = isAway ? log10f((Float(cells) + 2) / (Float(cellsAway) + 1)) : 0
            cellsAway &+= isAway ? 1 : 0
            hourEvidence = .zero
            return evidence
        }
        let found = memory.strangeness(of: row, seed: configuration.seed &* 0x94d0_49bb_1331_11eb)
        memberEvidence = SIMD4(
            shapeTail.evidence(of: found.shape, grain: MetricMemory.grain),
            featureTail.evidence(of: found.features, grain: MetricMemory.grain),
            forestTail.evidence(of: found.forest, grain: Self.forestGrain), 0)
        let strangeness =
            (found.shape / max(shapeTail.bodyEnd, 1e-3) + found.features / max(featureTail.bodyEnd, 1e-3)) / 2
        shapeTail.add(found.shape, share: configuration.trimmedShare)
        featureTail.add(found.features, share: configuration.trimmedShare)
        forestTail.add(found.forest, share: configuration.trimmedShare)
        return strangeness
    }

    private mutating func judgeHours(_ value: Float, at time: Int64, length: Int64) {
        if let distance = season.observe(value, at: time, isCoarse: length >= 60_000) {
            let grain = MetricMemory.grain * memory.scales[0]
            hourEvidence = SIMD2(
                hourTail.evidence(of: distance.one, grain: grain),
                twoHourTail.evidence(of: distance.two, grain: grain))
            hourTail.add(distance.one, share: configuration.trimmedShare)
            twoHourTail.add(distance.two, share: configuration.trimmedShare)
        }
        guard !memory.isConstant else { return }
        // Third powers weigh each member by how sure it is: one very sure one suffices, and one that is not sure does
        // not hold the others down.
        let members = SIMD4(memberEvidence.x, memberEvidence.y, memberEvidence.z, 0)
        let cubes = members * members * members
        let hourCubes = hourEvidence * hourEvidence * hourEvidence
        evidence = cbrtf((cubes.sum() + hourCubes.sum()) / Self.memberCount)
    }

    /// Of cells of which several must agree, for a single one may well be extreme.
    private mutating func judgeExtremes(_ row: MetricRow) {
        memberEvidence.w = extremes.evidence(of: row.lags[0], change: row.lags[0] - row.lags[1])
        // The row's last cell but one is the history's newest: what lasts for a minute stays extreme so long.
        extremes.add(row.lags[6], change: row.lags[6] - row.lags[7])
        evidence = max(evidence, memberEvidence.w)
    }

    /// Each cell of the last thousands has the same chance to be remembered.
    private mutating func remember(_ row: MetricRow) {
        let remembered = min(Float(cells), MetricMemory.cellsRemembered)
        if memory.count < MetricMemory.rowsMax {
            memory.insert(row, at: memory.count)
        } else if uniform() * remembered < Float(MetricMemory.rowsMax) {
            let place = Int(uniform() * Float(MetricMemory.rowsMax))
            memory.insert(row, at: min(place, MetricMemory.rowsMax - 1))
        }
    }

    private mutating func uniform() -> Float {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return Float(random >> 40) / Float(1 << 24)
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
