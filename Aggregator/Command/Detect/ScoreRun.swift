import Detection

/// Scores a table as the agent would its samples: one column by the metric's detector, several by their group's, in
/// chunks of as many columns as a group has at most.
struct ScoreRun {
    private var metric: MetricDetector?
    private var groups: [(columns: Range<Int>, detector: GroupDetector)] = []
    private var lastAt = Int64.min

    init(columns: Int) {
        let configuration = DetectorConfiguration()
        if columns == 1 {
            metric = MetricDetector(configuration: configuration)
            return
        }
        for start in stride(from: 0, to: columns, by: GroupDetector.columnsMax) {
            let range = start..<min(columns, start + GroupDetector.columnsMax)
            groups.append(
                (range, GroupDetector(configuration: configuration, columns: range.count, group: UInt64(start))))
        }
    }

    /// - Precondition: as many values as columns.
    mutating func observe(_ row: ArraySlice<Double>, at time: Int64) -> (score: Float, alarm: Bool) {
        // A clock that stepped back, as the agent takes it.
        let isClockBack = time < lastAt
        lastAt = time
        if metric != nil {
            if isClockBack { metric?.restartTime() }
            return observe(metric: row[row.startIndex], at: time)
        }
        var score: Float = 0
        var alarm = false
        for number in groups.indices {
            let columns = groups[number].columns
            let values = Array(row[row.startIndex + columns.lowerBound..<row.startIndex + columns.upperBound])
            if isClockBack { groups[number].detector.restartTime() }
            let verdict = groups[number].detector.observe(values.span, at: time)
            if groups[number].detector.wantsTraining { groups[number].detector.train() }
            score = max(score, verdict.score)
            alarm = alarm || verdict.alarm
        }
        return (score, alarm)
    }

    private mutating func observe(metric value: Double, at time: Int64) -> (score: Float, alarm: Bool) {
        guard let verdict = metric?.observe(value, at: time) else { return (0, false) }
        if metric?.wantsTraining == true { metric?.train() }
        return (verdict.score, verdict.alarm)
    }
}
