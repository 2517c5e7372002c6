import Telemetry

extension Evaluator {
    /// The labels that tie an info series to the series it tells about.
    static let identifyingLabels = ["instance", "job"]
    static let defaultInfoName = "target_info"

    /// `info`: adds the labels of info series with the same `instance` and `job`.
    func info(_ inner: Plan, _ plan: InfoPlan, _ grid: TimeGrid) throws(QueryError) -> Frame {
        let base = try vector(inner, grid)
        var nameMatchers = plan.matchers.filter { $0.name == SeriesKey.nameLabel }
        let dataMatchers = plan.matchers.filter { $0.name != SeriesKey.nameLabel }
        let isDefault = nameMatchers.isEmpty
        if isDefault { nameMatchers = [.equal(SeriesKey.nameLabel, Self.defaultInfoName)] }
        let (times, infos) = try infoSeries(nameMatchers + dataMatchers, plan, base, grid)
        // With a selector that names no info metric, none is left out of being enriched.
        let excluding = plan.matchers.isEmpty || !isDefault ? nameMatchers : []
        let result = try Enrichment(
            base: base, infos: infos, times: times, excluded: excluding, dataMatchers: dataMatchers
        ).result()
        release(base.sampleCount + infos.sampleCount + times.sampleCount)
        try hold(result.sampleCount)
        return result
    }

    /// The times of the info series' samples, twice: an info series' value does not matter.
    private func infoSeries(
        _ matchers: [LabelMatcher], _ plan: InfoPlan, _ base: Frame, _ grid: TimeGrid
    ) throws(QueryError) -> (times: Frame, infos: Frame) {
        let identities = Self.identifyingLabels.map { name in Set(base.labels.compactMap { $0[name] }) }
        guard identities.contains(where: { !$0.isEmpty }) else {
            return (Frame(steps: grid.count), Frame(steps: grid.count))
        }
        let selector = SelectorPlan(
            matchers: matchers, offset: plan.offset, at: plan.at, windowExtension: nil, hintFunction: "info")
        var times = Frame(steps: grid.count)
        let pipeline = try pipeline(selector, .instant(asTimestamp: true), width: options.lookback, grid)
        try pipeline.run { (frame) throws(QueryError) in
            for row in 0..<frame.count {
                let isWanted = zip(Self.identifyingLabels, identities).allSatisfy { name, values in
                    values.isEmpty || values.contains(frame.labels[row][name] ?? "")
                }
                guard isWanted else { continue }
                try hold(2 * frame.steps)
                times.append(frame.labels[row], dropsName: false, frame.row(row))
            }
        }
        return (times, times)
    }
}

/// Joins base series with info series.
private struct Enrichment {
    let base: Frame
    let infos: Frame
    /// When each info sample was taken, seconds.
    let times: Frame
    /// Series with these names are info series themselves.
    let excluded: [LabelMatcher]
    let dataMatchers: [LabelMatcher]

    private struct RowKey: Hashable {
        let labels: LabelSet
        let dropsName: Bool
    }

    func result() throws(QueryError) -> Frame {
        let steps = base.steps
        let candidates = infoRows()
        let wantsMatch = dataMatchers.contains { !$0.isSatisfied(by: "") }
        let dataNames = Set(dataMatchers.map(\.name))
        var result = Frame(steps: steps)
        var rows: [RowKey: Int] = [:]
        for row in 0..<base.count {
            let labels = base.labels[row]
            let isInfo =
                !excluded.isEmpty && excluded.allSatisfy { $0.isSatisfied(by: labels.metricName) }
            let groups = isInfo ? [] : candidates[identity(labels)] ?? []
            var enriched: [[Int]: LabelSet] = [:]
            for step in 0..<steps where !Frame.isAbsent(base.values[row * steps + step]) {
                var labelsNow = labels
                if !isInfo {
                    var chosen: [Int] = []
                    for group in groups {
                        if let row = try newest(group, at: step) { chosen.append(row) }
                    }
                    if chosen.isEmpty, wantsMatch { continue }
                    if let known = enriched[chosen] {
                        labelsNow = known
                    } else {
                        labelsNow = try enrich(labels, with: chosen, dataNames)
                        enriched[chosen] = labelsNow
                    }
                }
                let key = RowKey(labels: labelsNow, dropsName: base.dropsName[row])
                let target = rows[key] ?? result.count
                if target == result.count {
                    rows[key] = target
                    result.append(labelsNow, dropsName: key.dropsName, repeatElement(Frame.absent, count: steps))
                }
                guard Frame.isAbsent(result.values[target * steps + step]) else { throw QueryError.duplicateLabels }
                result.values[target * steps + step] = base.values[row * steps + step]
            }
        }
        return result
    }

    private func identity(_ labels: LabelSet) -> LabelSet { labels.keeping(Evaluator.identifyingLabels) }

    /// Info rows by identity, those of one metric together.
    private func infoRows() -> [LabelSet: [[Int]]] {
        var byName: [LabelSet: [String: [Int]]] = [:]
        for row in 0..<infos.count {
            byName[identity(infos.labels[row]), default: [:]][infos.labels[row].metricName, default: []].append(row)
        }
        return byName.mapValues { names in names.sorted { $0.key < $1.key }.map(\.value) }
    }

    /// The row whose sample is the latest.
    private func newest(_ rows: [Int], at step: Int) throws(QueryError) -> Int? {
        var found: Int?
        for row in rows {
            let time = times.values[row * times.steps + step]
            guard !Frame.isAbsent(time) else { continue }
            guard let known = found else {
                found = row
                continue
            }
            let knownTime = times.values[known * times.steps + step]
            if time == knownTime {
                throw QueryError(
                    .execution,
                    "found duplicate series for info metric: existing \(infos.labels[known]) @ "
                        + "\(Int64(knownTime * 1000)), new \(infos.labels[row]) @ \(Int64(time * 1000))")
            }
            if time > knownTime { found = row }
        }
        return found
    }

    private func enrich(
        _ labels: LabelSet, with rows: [Int], _ dataNames: Set<String>
    ) throws(QueryError) -> LabelSet {
        var result = labels
        for row in rows {
            for label in infos.labels[row].labels where label.name != SeriesKey.nameLabel {
                guard dataNames.isEmpty || dataNames.contains(label.name), labels[label.name] == nil else { continue }
                if let known = result[label.name], known != label.value {
                    throw QueryError(.execution, "conflicting label: \(label.name)")
                }
                result = result.setting(label.name, to: label.value)
            }
        }
        return result
    }
}
