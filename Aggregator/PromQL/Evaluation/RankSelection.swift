import Telemetry

/// `topk`, `bottomk`, `limitk` and `limit_ratio`: they choose samples of their input at each step.
struct RankSelection {
    private struct Candidate {
        var value: Double
        var row: Int
    }

    private let operation: AggregationOperator
    private let steps: Int
    /// How many at each step; of `limit_ratio` the ratio.
    private let counts: [Int]
    private let ratios: [Double]
    private var grouping: Grouping
    /// The series that have a chosen sample or may still lose it.
    private var labels: [LabelSet] = []
    private var dropsName: [Bool] = []
    /// Per group and step, as a binary heap with the worst on top; of `limit_…` a list.
    private var cells: [[Candidate]] = []

    private(set) var sampleCount = 0

    init(_ plan: AggregationPlan, steps: Int, _ parameter: [Double]) {
        operation = plan.operation
        self.steps = steps
        grouping = Grouping(plan.labels, isWithout: plan.isWithout)
        ratios = parameter.map { max(-1, min(1, $0)) }
        counts = parameter.map { Int(max(0, min($0, 0x1p31))) }
    }

    mutating func add(_ frame: Frame) {
        for row in 0..<frame.count {
            let group = grouping.group(of: frame.labels[row], dropsName: frame.dropsName[row])
            let missing = (group + 1) * steps - cells.count
            if missing > 0 { cells.append(contentsOf: repeatElement([], count: missing)) }
            let number = labels.count
            let isChosen = operation == .limitRatio ? LabelHash.share(frame.labels[row]) : 0
            for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                offer(Candidate(value: value, row: number), group * steps + step, step, isChosen)
            }
            labels.append(frame.labels[row])
            dropsName.append(frame.dropsName[row])
        }
    }

    private mutating func offer(_ candidate: Candidate, _ cell: Int, _ step: Int, _ share: Double) {
        switch operation {
        case .limitRatio:
            let ratio = ratios[step]
            guard ratio >= 0 ? share < ratio : share >= 1 + ratio else { return }
            cells[cell].append(candidate)
        case .limitk:
            guard cells[cell].count < counts[step] else { return }
            cells[cell].append(candidate)
        default:
            if cells[cell].count < counts[step] {
                cells[cell].append(candidate)
                siftUp(&cells[cell])
                sampleCount += 2
                return
            }
            guard let worst = cells[cell].first, isBetter(candidate.value, worst.value) else { return }
            cells[cell][0] = candidate
            siftDown(&cells[cell])
            return
        }
        sampleCount += 2
    }

    /// NaN is worse than everything.
    private func isBetter(_ one: Double, _ other: Double) -> Bool {
        if other.isNaN { return !one.isNaN }
        return operation == .topk ? one > other : one < other
    }
    private func isWorse(_ one: Candidate, _ other: Candidate) -> Bool {
        one.value.isNaN || (operation == .topk ? one.value < other.value : one.value > other.value)
    }

    private func siftUp(_ heap: inout [Candidate]) {
        var index = heap.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard isWorse(heap[index], heap[parent]) else { return }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    private func siftDown(_ heap: inout [Candidate]) {
        var index = 0
        while 2 * index + 1 < heap.count {
            var child = 2 * index + 1
            if child + 1 < heap.count, isWorse(heap[child + 1], heap[child]) { child += 1 }
            guard isWorse(heap[child], heap[index]) else { return }
            heap.swapAt(child, index)
            index = child
        }
    }

    /// The chosen samples as series; at a single step group by group, the best first.
    func result() -> Frame {
        var result = Frame(steps: steps)
        guard steps > 1 else {
            for cell in cells {
                for candidate in ranked(cell) {
                    result.append(
                        labels[candidate.row], dropsName: dropsName[candidate.row],
                        CollectionOfOne(candidate.value))
                }
            }
            return result
        }
        var rows = [Int](repeating: -1, count: labels.count)
        for cell in cells {
            for candidate in cell { rows[candidate.row] = 0 }
        }
        for row in rows.indices where rows[row] == 0 {
            rows[row] = result.count
            result.append(labels[row], dropsName: dropsName[row], repeatElement(Frame.absent, count: steps))
        }
        for (index, cell) in cells.enumerated() {
            for candidate in cell { result.values[rows[candidate.row] * steps + index % steps] = candidate.value }
        }
        return result
    }

    private func ranked(_ cell: [Candidate]) -> [Candidate] {
        switch operation {
        case .topk, .bottomk: cell.sorted { isBetter($0.value, $1.value) }
        default: cell
        }
    }
}

/// `count_values`: one series per group and value.
struct ValueCounts {
    private let plan: AggregationPlan
    private let grouping: Grouping
    private var rows: [LabelSet: Int] = [:]
    private(set) var result: Frame

    init(_ plan: AggregationPlan, steps: Int) {
        self.plan = plan
        grouping = Grouping(
            plan.isWithout ? plan.labels : plan.labels + [plan.valueLabel], isWithout: plan.isWithout)
        result = Frame(steps: steps)
    }

    mutating func add(_ frame: Frame) {
        for row in 0..<frame.count {
            for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                let labels = grouping.key(
                    frame.labels[row].setting(plan.valueLabel, to: FloatText.plain(value)))
                let place = self.row(labels) * result.steps + step
                let count = result.values[place]
                result.values[place] = Frame.isAbsent(count) ? 1 : count + 1
            }
        }
    }

    private mutating func row(_ labels: LabelSet) -> Int {
        if let known = rows[labels] { return known }
        rows[labels] = result.count
        result.append(labels, dropsName: false, repeatElement(Frame.absent, count: result.steps))
        return result.count - 1
    }
}
