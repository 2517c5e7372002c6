import Telemetry

/// Numbers series by the labels that tie both sides of an operator together.
struct MatchGroups {
    /// The group of each series.
    let left: [Int]
    let right: [Int]
    /// What the series of a group have in common.
    let keys: [LabelSet]
    var count: Int { keys.count }

    init(_ left: Frame, _ right: Frame, _ matching: VectorMatching) {
        var numbers = [LabelSet: Int](minimumCapacity: max(left.count, right.count))
        var keys: [LabelSet] = []
        let key = Self.key(matching)
        func number(_ labels: LabelSet) -> Int {
            let key = key(labels)
            if let known = numbers[key] { return known }
            numbers[key] = keys.count
            keys.append(key)
            return keys.count - 1
        }
        self.left = left.labels.map(number)
        self.right = right.labels.map(number)
        self.keys = keys
    }

    /// The rows of each group, one group after the other.
    struct Members {
        private let starts: [Int]
        private let rows: [Int]

        init(_ groups: [Int], count: Int) {
            var starts = [Int](repeating: 0, count: count + 1)
            for group in groups { starts[group + 1] += 1 }
            for group in 0..<count { starts[group + 1] += starts[group] }
            var next = starts
            var rows = [Int](repeating: 0, count: groups.count)
            for (row, group) in groups.enumerated() {
                rows[next[group]] = row
                next[group] += 1
            }
            self.starts = starts
            self.rows = rows
        }

        subscript(group: Int) -> ArraySlice<Int> { rows[starts[group]..<starts[group + 1]] }
    }

    static func key(_ matching: VectorMatching) -> (LabelSet) -> LabelSet {
        let names = matching.labels
        if matching.isOn { return { $0.keeping(names) } }
        return { $0.dropping(names + [SeriesKey.nameLabel]) }
    }
}

/// Operators between two instant vectors, other than set operators.
struct VectorJoin {
    let operation: BinaryOperator
    let matching: VectorMatching
    let returnsBool: Bool

    func combine(_ left: Frame, _ right: Frame) throws(QueryError) -> Frame {
        let isSwapped = matching.cardinality == .oneToMany
        let groups = MatchGroups(left, right, matching)
        var run = Run(
            join: self, many: isSwapped ? right : left, one: isSwapped ? left : right, keys: groups.keys,
            manyGroups: isSwapped ? groups.right : groups.left, oneGroups: isSwapped ? groups.left : groups.right,
            isSwapped: isSwapped)
        return try run.combine()
    }

    /// One evaluation. "Many" is the side whose series may share a partner; with one-to-one the left.
    private struct Run {
        let join: VectorJoin
        let many: Frame
        let one: Frame
        let keys: [LabelSet]
        let manyGroups: [Int]
        let oneGroups: [Int]
        let isSwapped: Bool
        var result: Frame
        private var rows: [RowKey: Int] = [:]
        /// Per result row in `rows` the pairs that fed it.
        private var pairs: [Int: [(many: Int, one: Int)]] = [:]
        private let matchesByName: Bool
        /// The steps at which the many side has any sample; filled when needed.
        private var manySteps: [Bool] = []

        private struct RowKey: Hashable {
            let labels: LabelSet
            let dropsName: Bool
        }

        init(
            join: VectorJoin, many: Frame, one: Frame, keys: [LabelSet], manyGroups: [Int], oneGroups: [Int],
            isSwapped: Bool
        ) {
            self.join = join
            self.many = many
            self.one = one
            self.keys = keys
            self.manyGroups = manyGroups
            self.oneGroups = oneGroups
            self.isSwapped = isSwapped
            result = Frame(steps: many.steps)
            // A name among the matching labels makes groups whose results may have equal labels.
            matchesByName = join.matching.isOn && join.matching.labels.contains(SeriesKey.nameLabel)
        }

        /// The fill for a partner missing on the "one" side, and on the "many" side.
        private var oneFill: Double? { isSwapped ? join.matching.leftFill : join.matching.rightFill }
        private var manyFill: Double? { isSwapped ? join.matching.rightFill : join.matching.leftFill }

        mutating func combine() throws(QueryError) -> Frame {
            let ones = MatchGroups.Members(oneGroups, count: keys.count)
            let manys = MatchGroups.Members(manyGroups, count: keys.count)
            let steps = many.steps
            let isOneToOne = join.matching.cardinality == .oneToOne
            let hasFill = oneFill != nil || manyFill != nil
            var partners = [Int](repeating: -1, count: steps)
            var matched = [Bool](repeating: false, count: steps)
            result.values.reserveCapacity(many.values.count)
            for group in groupOrder() {
                let (candidates, members) = (ones[group], manys[group])
                if !hasFill, members.isEmpty || candidates.isEmpty {
                    if candidates.count > 1 { try choosePartners(candidates, group, into: &partners) }
                    continue
                }
                if !hasFill, isOneToOne, !matchesByName, candidates.count == 1, members.count == 1,
                    let row = members.first, let partner = candidates.first
                {
                    meet(row, partner, group)
                    continue
                }
                try choosePartners(candidates, group, into: &partners)
                for step in 0..<steps { matched[step] = false }
                for row in members {
                    for partner in candidates {
                        try pair(row, partner, partners, group, isOneToOne, &matched)
                    }
                    if oneFill != nil { try pair(row, -1, partners, group, isOneToOne, &matched) }
                }
                if manyFill != nil {
                    for partner in candidates { try fillMany(partner, partners, matched, group) }
                }
            }
            result.removeEmptyRows()
            return result
        }

        /// Groups in the order of the many side's rows, then those with rows on the one side only.
        private func groupOrder() -> [Int] {
            var seen = [Bool](repeating: false, count: keys.count)
            var order: [Int] = []
            order.reserveCapacity(keys.count)
            for group in manyGroups where !seen[group] {
                seen[group] = true
                order.append(group)
            }
            for group in oneGroups where !seen[group] {
                seen[group] = true
                order.append(group)
            }
            return order
        }

        /// One series on either side, the usual case: no other can come in between.
        private mutating func meet(_ row: Int, _ partner: Int, _ group: Int) {
            let steps = many.steps
            let dropsName = dropsName(of: row)
            result.labels.append(resultLabels(many.labels[row], one.labels[partner], group))
            result.dropsName.append(dropsName)
            for step in 0..<steps {
                let (left, right) = (many.values[row * steps + step], one.values[partner * steps + step])
                let isMet = !Frame.isAbsent(left) && !Frame.isAbsent(right)
                result.values.append(isMet ? combined(left, right) : Frame.absent)
            }
        }

        /// Which row of the one side has a sample at each step, -1 none.
        private mutating func choosePartners(
            _ candidates: ArraySlice<Int>, _ group: Int, into partners: inout [Int]
        ) throws(QueryError) {
            let steps = many.steps
            for step in 0..<steps { partners[step] = -1 }
            for row in candidates {
                let start = row * steps
                for step in 0..<steps where !Frame.isAbsent(one.values[start + step]) {
                    if partners[step] >= 0 {
                        // With nothing on the other side nothing is matched.
                        guard hasMany(at: step) else { continue }
                        throw duplicatePartners(partners[step], row, group)
                    }
                    partners[step] = row
                }
            }
        }

        private mutating func hasMany(at step: Int) -> Bool {
            if manySteps.isEmpty {
                manySteps = Array(repeating: false, count: many.steps)
                for (place, value) in many.values.enumerated() where !Frame.isAbsent(value) {
                    manySteps[place % many.steps] = true
                }
            }
            return manySteps[step]
        }

        private func duplicatePartners(_ first: Int, _ second: Int, _ group: Int) -> QueryError {
            QueryError(
                .execution,
                "found duplicate series for the match group \(keys[group]) on the \(isSwapped ? "left" : "right") hand-side "
                    + "of the operation: [\(one.labels[second]), \(one.labels[first])];many-to-many matching not "
                    + "allowed: matching labels must be unique on one side")
        }

        /// Combines one row of the many side with one partner (-1: the fill) where they meet.
        private mutating func pair(
            _ row: Int, _ partner: Int, _ partners: [Int], _ group: Int, _ isOneToOne: Bool, _ matched: inout [Bool]
        ) throws(QueryError) {
            let steps = many.steps
            let start = row * steps
            let oneStart = partner * steps
            var isMet = false
            for step in 0..<steps where partners[step] == partner && !Frame.isAbsent(many.values[start + step]) {
                isMet = true
                if isOneToOne, matched[step] {
                    throw QueryError(
                        .execution,
                        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
                }
                matched[step] = true
            }
            guard isMet else { return }
            let target = resultRow(
                many.labels[row], partner >= 0 ? one.labels[partner] : keys[group], group, dropsName(of: row))
            for other in pairs[target, default: []] where !isOneToOne && manyGroups[other.many] == group {
                let meets = (0..<steps).contains { step in
                    partners[step] == partner && partners[step] == other.one
                        && !Frame.isAbsent(many.values[start + step])
                        && !Frame.isAbsent(many.values[other.many * steps + step])
                }
                if meets {
                    throw QueryError(
                        .execution, "multiple matches for labels: grouping labels must ensure unique matches")
                }
            }
            pairs[target, default: []].append((row, partner))
            let fill = oneFill ?? 0
            for step in 0..<steps where partners[step] == partner && !Frame.isAbsent(many.values[start + step]) {
                try put(
                    many.values[start + step], partner >= 0 ? one.values[oneStart + step] : fill, target, step)
            }
        }

        /// Samples of the one side that found no partner meet the fill.
        private mutating func fillMany(
            _ partner: Int, _ partners: [Int], _ matched: [Bool], _ group: Int
        ) throws(QueryError) {
            guard let fill = manyFill else { return }
            let steps = many.steps
            let unmatched = (0..<steps).filter { partners[$0] == partner && !matched[$0] }
            guard !unmatched.isEmpty else { return }
            let drops = join.operation.isComparison && (join.returnsBool || one.dropsName[partner])
            let target = resultRow(keys[group], one.labels[partner], group, drops)
            for step in unmatched { try put(fill, one.values[partner * steps + step], target, step) }
        }

        private mutating func put(_ many: Double, _ one: Double, _ row: Int, _ step: Int) throws(QueryError) {
            let value = combined(many, one)
            guard !Frame.isAbsent(value) else { return }
            let place = row * result.steps + step
            guard Frame.isAbsent(result.values[place]) else { throw QueryError.duplicateLabels }
            result.values[place] = value
        }

        @inline(__always)
        private func combined(_ many: Double, _ one: Double) -> Double {
            let (left, right) = isSwapped ? (one, many) : (many, one)
            guard join.operation.isComparison else { return Arithmetic.apply(join.operation, left, right) }
            let holds = Arithmetic.compare(join.operation, left, right)
            return join.returnsBool ? (holds ? 1 : 0) : holds ? left : Frame.absent
        }

        private func dropsName(of row: Int) -> Bool {
            join.operation.isComparison && (join.returnsBool || many.dropsName[row])
        }

        private func resultLabels(_ manyLabels: LabelSet, _ oneLabels: LabelSet, _ group: Int) -> LabelSet {
            let matching = join.matching
            // With on() the result's labels are the group's.
            if matching.cardinality == .oneToOne, matching.isOn, !matchesByName {
                return join.operation.isComparison ? keys[group] : keys[group].withoutMetadata
            }
            var labels = join.operation.isComparison ? manyLabels : manyLabels.withoutMetadata
            if matching.cardinality == .oneToOne {
                labels = matching.isOn ? labels.keeping(matching.labels) : labels.dropping(matching.labels)
            }
            for name in matching.included { labels = labels.setting(name, to: oneLabels[name] ?? "") }
            return labels
        }

        private mutating func resultRow(
            _ manyLabels: LabelSet, _ oneLabels: LabelSet, _ group: Int, _ dropsName: Bool
        ) -> Int {
            let labels = resultLabels(manyLabels, oneLabels, group)
            let key = RowKey(labels: labels, dropsName: dropsName)
            if let known = rows[key] { return known }
            let row = result.count
            rows[key] = row
            result.append(labels, dropsName: dropsName, repeatElement(Frame.absent, count: result.steps))
            return row
        }
    }
}
