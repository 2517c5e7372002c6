#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Judges a group of metrics together (cpu, memory, disk …): the distance of the row to rows met before, in a memory
/// of the group's whole life and in one of its last days. A row must be strange to both to be very strange, for either
/// alone errs: the old one on what has changed for good, the young one by having learnt the trouble. An isolation forest
/// over both makes it up to a third more strange, or less.
package struct GroupDetector: Sendable {
    package static let columnsMax = 64
    static let warmupCells: UInt32 = 64
    static let trainingCellsMax: UInt32 = 500
    static let oldRowsMax = 256
    static let youngRowsMax = 256
    static let youngCells: Float = 8_000
    /// What a change of a column that never moved counts, in ranges.
    static let constantShare: Float = 10
    /// Differences of strangeness below this mean nothing.
    static let grain: Float = 0.01
    static let forest = PathForest(trees: 30, sample: 32)
    /// The forests' say: strangeness is multiplied by e to the power of this times the mean of their scores (-0.5…0.8).
    static let forestWeight: Float = 0.3

    package let columns: Int
    var configuration: DetectorConfiguration
    var cell: GroupCell
    var origins: [Double]
    var lows: [Float]
    var highs: [Float]
    var means: ShortMeans
    var warmup: [Float] = []
    var cells: UInt32 = 0
    var nextTraining = warmupCells
    var nextRange = warmupCells
    var random: UInt64
    var old: GroupMemory
    var young: GroupMemory
    var point: GroupMemory.Point
    var tail = TailCalibration()
    /// A group warms up for longer than a metric, and alarms as early.
    var policy = AlarmPolicy(cells: warmupCells - UInt32(MetricDetector.warmupCells))
    var hold = LearningHold()
    /// Rows that wait to be learnt, one after the other.
    var waiting: [Float] = []
    /// While rows wait or are left out: the short means with them in.
    var trail: ShortMeans?
    var heldVerdict = Verdict.unscored
    package internal(set) var unscored: UInt32 = 0
    /// Evidence and strangeness of the last cell.
    package private(set) var evidence: Float = 0
    package private(set) var strangeness: Float = 0

    /// - Precondition: 1…64 columns.
    package init(configuration: DetectorConfiguration = DetectorConfiguration(), columns: Int, group: UInt64 = 0) {
        precondition((1...Self.columnsMax).contains(columns), "\(columns) columns")
        self.columns = columns
        self.configuration = configuration
        random = (configuration.seed &* 0x9e37_79b9_7f4a_7c15) ^ (group &* 0x94d0_49bb_1331_11eb) | 1
        cell = GroupCell(columns: columns)
        origins = [Double](repeating: .nan, count: columns)
        lows = [Float](repeating: .infinity, count: columns)
        highs = [Float](repeating: -.infinity, count: columns)
        means = ShortMeans(columns: columns)
        old = GroupMemory(columns: columns, rowsMax: Self.oldRowsMax, hasRoots: false)
        young = GroupMemory(columns: columns, rowsMax: Self.youngRowsMax, hasRoots: true)
        point = GroupMemory.Point(width: old.width)
    }

    /// After a clock that stepped back: without this, samples are out of order until time has caught up.
    package mutating func restartTime() { cell.restart() }

    package var wantsTraining: Bool { cells >= nextTraining }

    package var stateBytes: Int {
        MemoryLayout<Self>.size + old.stateBytes + young.stateBytes + (warmup.count + waiting.count) * 4
            + columns * (16 + 16 + 24) + (trail == nil ? 0 : columns * 8) + 16 * old.width
            + MemoryLayout<TailCalibration>.size
    }

    /// - Precondition: as many values as columns. What is not finite counts as missing: the column keeps its last
    ///   value; a row without any value is unscored.
    package mutating func observe(_ row: Span<Double>, at time: Int64) -> Verdict {
        precondition(row.count == columns, "\(row.count) values for \(columns) columns")
        guard let isComplete = cell.add(row, at: time, length: configuration.cellMilliseconds) else {
            unscored &+= 1
            return .unscored
        }
        if isComplete {
            let verdict = judge(length: max(configuration.cellMilliseconds, cell.step))
            heldVerdict = verdict
            heldVerdict.alarm = false
            if !verdict.isScored { unscored &+= 1 }
            return verdict
        }
        if !heldVerdict.isScored { unscored &+= 1 }
        return heldVerdict
    }

    private mutating func judge(length: Int64) -> Verdict {
        var values = [Float](repeating: 0, count: columns)
        for column in 0..<columns {
            let mean = cell.takeMean(column)
            guard mean.isFinite else { continue }
            if origins[column].isNaN { origins[column] = mean }
            values[column] = Float(min(1e17, max(-1e17, mean - origins[column])))
        }
        if cells < Self.warmupCells {
            cells &+= 1
            warmup.append(contentsOf: values)
            widen(values)
            return .unscored
        }
        guard old.count > 0 else {
            cells &+= 1
            return .unscored
        }
        judge(values, after: trail ?? means)
        if trail != nil {
            // By what was before as well as by what really came: the calmer counts.
            let really = evidence
            judge(values, after: means)
            if evidence > really { judge(values, after: trail ?? means) }
        }
        let alarm = policy.observe(evidence, cellMilliseconds: length)
        let isFine = length < AlarmPolicy.fineMilliseconds
        take(values, isFine ? hold.step(isAnomalous: evidence > 2, policy) : .learn, length: length)
        return Verdict(
            score: strangeness * strangeness / (25 + strangeness * strangeness), isAnomalous: evidence > 2,
            alarm: alarm, isScored: true)
    }

    private mutating func judge(_ values: [Float], after means: ShortMeans) {
        place(values, after: means)
        strangeness = strangenessOfPoint()
        evidence = tail.evidence(of: strangeness, grain: Self.grain)
    }

    /// Does with the row that was judged last what `LearningHold` says.
    private mutating func take(_ values: [Float], _ step: LearningHold.Step, length: Int64) {
        switch step {
        case .learn: learn(values, length: length)
        case .learnAll:
            let (judged, rows) = ((strangeness, evidence), waiting + values)
            waiting = []
            for at in stride(from: 0, to: rows.count, by: columns) {
                let values = Array(rows[at..<at + columns])
                judge(values, after: means)
                learn(values, length: length)
            }
            (strangeness, evidence) = judged
        case .wait, .leaveOut:
            waiting = step == .wait ? waiting + values : []
            var ahead = trail ?? means
            ahead.follow(point)
            trail = ahead
        }
    }

    /// Takes the row that was judged last into the history.
    private mutating func learn(_ values: [Float], length: Int64) {
        cells &+= 1
        widen(values)
        trail = nil
        means = ShortMeans(of: point, columns: columns)
        // One cell teaches the tail at most what would just alarm: a column that never moved before must not make
        // everything else look usual.
        let most = tail.value(at: AlarmPolicy.threshold(cellMilliseconds: length), grain: Self.grain)
        tail.add(min(strangeness, most), share: configuration.trimmedShare)
        if let place = chosen(count: young.count, rowsMax: young.rowsMax, among: min(Float(cells), Self.youngCells)) {
            young.insert(point, strangeness: strangeness, at: place)
        }
    }

    private func strangenessOfPoint() -> Float {
        let oldDistance = old.distances(to: point).shares
        let distances = young.distances(to: point)
        // All are shares of a column's range, so they add up as they are: scaling each by its own past would only teach
        // the sum to overlook what lasts.
        let squares =
            oldDistance * oldDistance + distances.shares * distances.shares / 2 + distances.roots * distances.roots
        let seed = configuration.seed &* 0x94d0_49bb_1331_11eb
        let isolation =
            old.isolation(of: point, by: Self.forest, seed: seed)
            + young.isolation(of: point, by: Self.forest, seed: seed)
        return (squares / 2.5).squareRoot() * expf(Self.forestWeight * isolation / 2)
    }

    private mutating func widen(_ values: [Float]) {
        for column in 0..<columns {
            lows[column] = min(lows[column], values[column])
            highs[column] = max(highs[column], values[column])
        }
    }

    /// Makes the row's point.
    private mutating func place(_ values: [Float], after means: ShortMeans) {
        for column in 0..<columns {
            let span = old.spans[column]
            let apart = values[column] - old.lows[column]
            // A column that had not moved when the ranges were taken has none: its widest change since then is the
            // measure, and counts as several ranges.
            let widest = max(
                max(highs[column], values[column]) - old.lows[column],
                old.lows[column] - min(lows[column], values[column]))
            let share =
                span > 0
                ? min(1e3, max(-1e3, apart / span)) : (widest > 0 ? Self.constantShare * apart / widest : 0)
            point.shares[column] = share
            point.roots[column] = GroupMemory.root(share)
        }
        means.deviations(of: &point)
    }

    private mutating func chosen(count: Int, rowsMax: Int, among cells: Float) -> Int? {
        if count < rowsMax { return count }
        guard uniform() * cells < Float(rowsMax) else { return nil }
        return min(rowsMax - 1, Int(uniform() * Float(rowsMax)))
    }

    private mutating func uniform() -> Float {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return Float(random >> 40) / Float(1 << 24)
    }

    /// One training: bounded by 512 rows.
    package mutating func train() {
        guard wantsTraining else { return }
        let ranged = cells >= nextRange
        if ranged { nextRange = cells &* 2 }
        var spans = old.spans
        let lows = ranged ? self.lows : old.lows
        for column in 0..<columns where ranged {
            let span = highs[column] - lows[column]
            let origin = origins[column].isNaN ? 0 : Float(min(1e17, abs(origins[column])))
            let magnitude = max(abs(highs[column]), abs(lows[column]), origin)
            // Less than a hundredth of the value is not a range worth stretching.
            spans[column] = span > 0 ? max(span, 0.01 * magnitude) : 0
        }
        let (oldLows, oldSpans) = (old.lows, old.spans)
        old.train(lows: lows, spans: spans)
        young.train(lows: lows, spans: spans)
        if warmup.isEmpty {
            if ranged { hand() }
            means.rescale(from: (oldLows, oldSpans), to: (old.lows, old.spans))
            trail?.rescale(from: (oldLows, oldSpans), to: (old.lows, old.spans))
        } else {
            for at in stride(from: 0, to: warmup.count, by: columns) {
                let values = Array(warmup[at..<at + columns])
                if at == 0 {
                    for column in 0..<columns where old.spans[column] > 0 {
                        means.shares[column] = (values[column] - old.lows[column]) / old.spans[column]
                        means.roots[column] = GroupMemory.root(means.shares[column])
                    }
                }
                place(values, after: means)
                means = ShortMeans(of: point, columns: columns)
                old.insert(point, strangeness: 0, at: old.count)
                young.insert(point, strangeness: 0, at: young.count)
            }
            warmup = []
            old.train(lows: lows, spans: spans)
            young.train(lows: lows, spans: spans)
        }
        nextTraining = cells &+ min(Self.trainingCellsMax, max(32, cells / 2))
    }

    /// When life has doubled, half of the old memory goes to the young one's rows, less the strangest of them and those
    /// that DBSCAN calls noise, each at most a `trimmedShare`.
    private mutating func hand() {
        var order = young.strangenesses.indices.sorted { young.strangenesses[$0] < young.strangenesses[$1] }
        order.removeLast(Int(Float(order.count) * configuration.trimmedShare))
        let isNoise = young.noise(share: configuration.trimmedShare)
        order.removeAll { isNoise[$0] }
        for entry in order.indices.dropLast() {
            order.swapAt(entry, min(order.count - 1, entry + Int(uniform() * Float(order.count - entry))))
        }
        for row in order.prefix(old.rowsMax / 2) {
            let place = old.count < old.rowsMax ? old.count : min(old.rowsMax - 1, Int(uniform() * Float(old.rowsMax)))
            old.adopt(young, row: row, at: place)
        }
    }

    /// The columns that made the last cell strange, the strangest first, with their shares of the squared distance.
    package func contributions(top: Int) -> [(column: Int, share: Float)] {
        let distances = old.columnDistances(to: point)
        let sum = distances.reduce(0, +)
        guard sum > 0 else { return [] }
        let order = distances.indices.sorted { (distances[$1], $0) < (distances[$0], $1) }
        return order.prefix(top).map { ($0, distances[$0] / sum) }
    }
}
