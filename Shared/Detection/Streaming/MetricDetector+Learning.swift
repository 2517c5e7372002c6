extension MetricDetector {
    /// Does with a judged cell what `LearningHold` says.
    mutating func take(_ value: Float, _ judged: MetricJudgement, _ step: LearningHold.Step, isFine: Bool) {
        switch step {
        case .learn:
            (trail, waiting) = ([], [])
            let cells = cells
            past = judged.past
            past.cells = cells &+ 1
            learn(judged, isFine: isFine)
        case .learnAll:
            let values = waiting + [value]
            (trail, waiting) = ([], [])
            for value in values {
                let judged = judge(value, after: past, isFine: isFine)
                past = judged.past
                learn(judged, isFine: isFine)
            }
        case .wait:
            waiting.append(value)
            follow(value)
        case .leaveOut:
            follow(value)
            for _ in 0...waiting.count { past.leaveOut() }
            waiting = []
        }
    }

    private mutating func follow(_ value: Float) {
        var ahead = trail.first ?? past
        _ = ahead.follow(value)
        trail = [ahead]
    }

    /// Takes a judged row into the history.
    private mutating func learn(_ judged: MetricJudgement, isFine: Bool) {
        let row = judged.row
        if let found = judged.found {
            shapeTail.add(found.shape, share: configuration.trimmedShare)
            featureTail.add(found.features, share: configuration.trimmedShare)
            forestTail.add(found.forest, share: configuration.trimmedShare)
        } else if isAway(row) {
            cellsAway &+= 1
        }
        // The row's last cell but one is the history's newest: what lasts for a minute stays extreme so long.
        if isFine { extremes.add(row.lags[6], change: row.lags[6] - row.lags[7]) }
        remember(row)
    }

    /// Each cell of the last thousands has the same chance to be remembered.
    private mutating func remember(_ row: MetricRow) {
        // Rows of rest are all the same.
        if memory.rests(row) { return }
        memory.write(rows: Int(cells))
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
}
