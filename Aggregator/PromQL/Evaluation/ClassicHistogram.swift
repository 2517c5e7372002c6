import Telemetry

/// A classic histogram at one time: cumulative counts by upper bound.
struct ClassicHistogram {
    struct Bucket {
        var upperBound: Double
        var count: Double
    }
    /// Ascending, each bound once.
    private var buckets: [Bucket]

    /// - Parameter buckets: ascending by bound; equal bounds are added up.
    init(_ buckets: [Bucket]) {
        self.buckets = []
        for bucket in buckets {
            if let last = self.buckets.last, last.upperBound == bucket.upperBound {
                self.buckets[self.buckets.count - 1].count += bucket.count
            } else {
                self.buckets.append(bucket)
            }
        }
    }

    private var reachesInfinity: Bool { buckets.last?.upperBound == .infinity }

    /// What had to be done for counts that fall from bucket to bucket.
    struct Correction {
        var buckets: ClosedRange<Double>
        var difference: Double
    }

    /// The q-quantile, linear within a bucket; the bucket below the first bound begins at 0 if that bound is positive.
    mutating func quantile(_ q: Double) -> (value: Double, correction: Correction?) {
        if q.isNaN { return (.nan, nil) }
        if q < 0 { return (-.infinity, nil) }
        if q > 1 { return (.infinity, nil) }
        guard reachesInfinity else { return (.nan, nil) }
        let correction = makeMonotonic()
        guard buckets.count >= 2, let all = buckets.last?.count, all != 0, !all.isNaN else { return (.nan, nil) }
        var rank = q * all
        var low = 0
        var high = buckets.count - 1
        while low < high {
            let middle = (low + high) / 2
            if buckets[middle].count >= rank { high = middle } else { low = middle + 1 }
        }
        if low == buckets.count - 1 { return (buckets[low - 1].upperBound, correction) }
        if low == 0, buckets[0].upperBound <= 0 { return (buckets[0].upperBound, correction) }
        var start = 0.0
        var count = buckets[low].count
        if low > 0 {
            start = buckets[low - 1].upperBound
            count -= buckets[low - 1].count
            rank -= buckets[low - 1].count
        }
        return (start + (buckets[low].upperBound - start) * (rank / count), correction)
    }

    /// Differences of a trillionth are rounding; what still falls is lifted to the count before.
    private mutating func makeMonotonic() -> Correction? {
        var correction: Correction?
        guard var previous = buckets.first?.count else { return nil }
        for index in buckets.indices.dropFirst() {
            let count = buckets[index].count
            if count == previous { continue }
            if Self.areClose(previous, count) {
                buckets[index].count = previous
            } else if count < previous {
                let bound = buckets[index].upperBound
                let known = correction ?? Correction(buckets: bound...bound, difference: 0)
                correction = Correction(
                    buckets: min(known.buckets.lowerBound, bound)...max(known.buckets.upperBound, bound),
                    difference: max(known.difference, previous - count))
                buckets[index].count = previous
            } else {
                previous = count
            }
        }
        return correction
    }

    private static func areClose(_ one: Double, _ other: Double) -> Bool {
        let tolerance = 1e-12
        if one == other { return true }
        let sum = abs(one) + abs(other)
        let difference = abs(one - other)
        let least = 2.2250738585072014e-308
        if one == 0 || other == 0 || sum < least { return difference < tolerance * least }
        return difference / min(sum, .greatestFiniteMagnitude) < tolerance
    }

    /// The share of observations between two bounds, linear within a bucket.
    func fraction(from lower: Double, to upper: Double) -> Double {
        guard reachesInfinity, let all = buckets.last?.count, all != 0, !lower.isNaN, !upper.isNaN else { return .nan }
        if lower >= upper { return 0 }
        let (low, high) = (rank(of: lower) ?? all, rank(of: upper) ?? all)
        return (min(high, all) - min(low, all)) / all
    }

    /// How many observations are at most `value`; nil at infinity.
    private func rank(of value: Double) -> Double? {
        var rank = 0.0
        for (index, bucket) in buckets.enumerated() {
            let start = index == 0 ? (bucket.upperBound > 0 ? 0 : -.infinity) : buckets[index - 1].upperBound
            if start >= value { return rank }
            if bucket.upperBound > value {
                // Nothing is known within an unbounded bucket: its observations are taken to be beyond `value`
                // in the last one, and below in the first.
                guard start.isFinite else { return bucket.count }
                guard bucket.upperBound.isFinite else { return rank }
                return rank + (bucket.count - rank) * (value - start) / (bucket.upperBound - start)
            }
            rank = bucket.count
        }
        return nil
    }
}

extension Evaluator {
    /// `histogram_quantile`, `histogram_fraction`, `histogram_quantiles` over classic buckets.
    func histogram(_ plan: HistogramPlan, _ grid: TimeGrid) throws(QueryError) -> Frame {
        let parameters = try scalars(plan.parameters, grid)
        if case .fraction = plan.kind {
        } else {
            for (column, span) in zip(parameters, plan.parameterSpans) {
                for value in column where value.isNaN || value < 0 || value > 1 {
                    collector.invalidQuantile(value, at: span)
                }
            }
        }
        let frame = try vector(plan.input, grid)
        let result = try histogramRows(plan, frame, parameters, grid)
        release(frame.sampleCount)
        try hold(result.sampleCount)
        return result
    }

    private func histogramRows(
        _ plan: HistogramPlan, _ frame: Frame, _ parameters: [[Double]], _ grid: TimeGrid
    ) throws(QueryError) -> Frame {
        var result = Frame(steps: grid.count)
        for group in bucketGroups(frame, plan.inputSpan) {
            let columns: [(labels: LabelSet, parameters: [[Double]])]
            switch plan.kind {
            case .quantile, .fraction: columns = [(group.labels, parameters)]
            case .quantiles(let label):
                columns = parameters.map { column in
                    (group.labels.setting(label, to: FloatText.openMetrics(column.first ?? .nan)), [column])
                }
            }
            for (labels, parameters) in columns {
                var row = [Double](repeating: Frame.absent, count: grid.count)
                for step in 0..<grid.count {
                    let buckets = group.rows.compactMap { bound, row -> ClassicHistogram.Bucket? in
                        let count = frame.values[row * frame.steps + step]
                        return Frame.isAbsent(count) ? nil : ClassicHistogram.Bucket(upperBound: bound, count: count)
                    }
                    guard !buckets.isEmpty else { continue }
                    var histogram = ClassicHistogram(buckets)
                    if case .fraction = plan.kind {
                        row[step] = histogram.fraction(from: parameters[0][step], to: parameters[1][step])
                        continue
                    }
                    let (value, correction) = histogram.quantile(parameters[0][step])
                    row[step] = value
                    if let correction {
                        collector.forcedMonotonicity(
                            group.labels.metricName, at: plan.inputSpan, time: grid.time(step),
                            buckets: correction.buckets, difference: correction.difference)
                    }
                }
                result.append(labels, dropsName: true, row)
            }
        }
        result.removeEmptyRows()
        return result
    }

    /// The rows that belong to one histogram, by ascending bound.
    private func bucketGroups(
        _ frame: Frame, _ span: SourceSpan
    ) -> [(labels: LabelSet, rows: [(bound: Double, row: Int)])] {
        var groups: [(labels: LabelSet, rows: [(bound: Double, row: Int)])] = []
        var numbers: [LabelSet: Int] = [:]
        for row in 0..<frame.count {
            let text = frame.labels[row]["le"] ?? ""
            guard let bound = Double(text), !bound.isNaN else {
                let name = frame.labels[row].metricName
                collector.warn(
                    "bucket label \"le\" is missing or has a malformed value of \(GoText.quoted(text))"
                        + (name.isEmpty ? "" : " for metric name \(GoText.quoted(name))"), at: span)
                continue
            }
            let labels = frame.labels[row].dropping(["le"])
            let number = numbers[labels, default: groups.count]
            if number == groups.count {
                numbers[labels] = number
                groups.append((labels, []))
            }
            groups[number].rows.append((bound, row))
        }
        for index in groups.indices { groups[index].rows.sort { $0.bound < $1.bound } }
        return groups
    }
}
