#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What is said of one row.
struct MetricJudgement {
    /// Evidence of shape, features and forest; of what lies beyond everything met before.
    var members = SIMD4<Float>(repeating: 0)
    var evidence: Float = 0
    /// 1 = the body's end.
    var strangeness: Float = 0
    var row: MetricRow
    /// nil: the series rests.
    var found: MetricStrangeness?
    /// With the row's cell in it.
    var past: MetricPast
}

extension MetricDetector {
    /// While cells wait or are left out, by what was before them and by what really came: the calmer counts. A single cell
    /// does not make those after it strange, and what has ended is calm, by the former; what wanders off and stays by the
    /// latter.
    func judge(_ value: Float, isFine: Bool) -> MetricJudgement {
        let really = judge(value, after: trail.first ?? past, isFine: isFine)
        guard !trail.isEmpty else { return really }
        var before = past
        for _ in waiting.indices { before.leaveOut() }
        let without = judge(value, after: before, isFine: isFine)
        return without.evidence < really.evidence ? without : really
    }

    func judge(_ value: Float, after past: MetricPast, isFine: Bool) -> MetricJudgement {
        var past = past
        let row = past.follow(value)
        var judged = MetricJudgement(row: row, past: past)
        if memory.isConstant {
            // A series that rests has no scale: only how seldom it moved speaks (Laplace's rule of succession).
            judged.evidence = isAway(row) ? log10f((Float(past.cells) + 2) / (Float(cellsAway) + 1)) : 0
            judged.strangeness = judged.evidence
        } else {
            let found = strangeness(of: row)
            judged.found = found
            let members = SIMD4(
                shapeTail.evidence(of: found.shape, grain: MetricMemory.grain),
                featureTail.evidence(of: found.features, grain: MetricMemory.grain),
                forestTail.evidence(of: found.forest, grain: Self.forestGrain), 0)
            // Third powers weigh each member by how sure it is: one very sure one suffices, and one that is not sure
            // does not hold the others down.
            let cubes = members * members * members
            let hourCubes = hourEvidence * hourEvidence * hourEvidence
            judged.members = members
            judged.evidence = cbrtf((cubes.sum() + hourCubes.sum()) / Self.memberCount)
            judged.strangeness =
                (found.shape / max(shapeTail.bodyEnd, 1e-3) + found.features / max(featureTail.bodyEnd, 1e-3)) / 2
        }
        if isFine {
            // Only of cells of which several must agree, for a single one may well be extreme.
            judged.members.w = extremes.evidence(of: row.lags[0], change: row.lags[0] - row.lags[1])
            judged.evidence = max(judged.evidence, judged.members.w)
        }
        return judged
    }

    private func strangeness(of row: MetricRow) -> MetricStrangeness {
        memory.strangeness(of: row, seed: configuration.seed &* 0x94d0_49bb_1331_11eb)
    }

    /// Whether the row leaves where a constant series rests.
    func isAway(_ row: MetricRow) -> Bool {
        abs(row.lags[0] - memory.centres[0]) > 1e-6 * abs(memory.centres[0])
    }

    /// The hours are learnt whatever they held: a day is one of fourteen.
    mutating func judgeHours(_ value: Float, at time: Int64, length: Int64) {
        if memory.isConstant { hourEvidence = .zero }
        guard let distance = season.observe(value, at: time, isCoarse: length >= 60_000) else { return }
        let grain = MetricMemory.grain * memory.scales[0]
        hourEvidence = SIMD2(
            hourTail.evidence(of: distance.one, grain: grain),
            twoHourTail.evidence(of: distance.two, grain: grain))
        hourTail.add(distance.one, share: configuration.trimmedShare)
        twoHourTail.add(distance.two, share: configuration.trimmedShare)
    }
}
