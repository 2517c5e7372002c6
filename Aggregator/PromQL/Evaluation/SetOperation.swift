/// `and`, `or`, `unless`.
struct SetOperation {
    let operation: BinaryOperator
    let matching: VectorMatching

    func combine(_ left: Frame, _ right: Frame) -> Frame {
        let groups = MatchGroups(left, right, matching)
        let steps = left.steps
        var result = left
        switch operation {
        case .or:
            // What the right side has where the left has nothing of the group.
            let present = Self.presence(left, groups.left, groups.count)
            var rest = right
            for row in 0..<rest.count {
                let start = groups.right[row] * steps
                for step in 0..<steps where present[start + step] { rest.values[row * steps + step] = Frame.absent }
            }
            rest.removeEmptyRows()
            append(rest, to: &result)
            result.distinctness = .unknown
        default:
            let present = Self.presence(right, groups.right, groups.count)
            let keeps = operation == .and
            for row in 0..<result.count {
                let start = groups.left[row] * steps
                for step in 0..<steps where present[start + step] != keeps {
                    result.values[row * steps + step] = Frame.absent
                }
            }
            result.removeEmptyRows()
        }
        return result
    }

    /// Series that both sides have become one; where both have a sample, which needs different groups, the right one
    /// stays a series of its own and the query's end finds the conflict.
    private func append(_ rest: Frame, to result: inout Frame) {
        struct Key: Hashable {
            let labels: LabelSet
            let dropsName: Bool
        }
        let steps = result.steps
        var rows: [Key: Int] = [:]
        for row in 0..<result.count {
            rows[Key(labels: result.labels[row], dropsName: result.dropsName[row])] = row
        }
        for row in 0..<rest.count {
            let known = rows[Key(labels: rest.labels[row], dropsName: rest.dropsName[row])]
            let isFree =
                known.map { target in
                    (0..<steps).allSatisfy {
                        Frame.isAbsent(rest.values[row * steps + $0])
                            || Frame.isAbsent(result.values[target * steps + $0])
                    }
                } ?? false
            guard let known, isFree else {
                result.append(rest.labels[row], dropsName: rest.dropsName[row], rest.row(row))
                continue
            }
            for step in 0..<steps where !Frame.isAbsent(rest.values[row * steps + step]) {
                result.values[known * steps + step] = rest.values[row * steps + step]
            }
        }
    }

    /// Per group and step, whether any series has a sample.
    private static func presence(_ frame: Frame, _ groups: [Int], _ count: Int) -> [Bool] {
        let steps = frame.steps
        var present = [Bool](repeating: false, count: count * steps)
        for row in 0..<frame.count {
            let start = groups[row] * steps
            for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                present[start + step] = true
            }
        }
        return present
    }
}
