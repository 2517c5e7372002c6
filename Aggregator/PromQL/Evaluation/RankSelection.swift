import Telemetry

/// `topk`, `bottomk`, `limitk` and `limit_ratio`: they choose samples of their input at each step.
struct RankSelection {
    private let operation: AggregationOperator
    private let steps: Int
    /// How many at each step; of `limit_ratio` the ratio.
    private let counts: [Int]
    private let ratios: [Double]
    private var grouping: Grouping
    private var labels: [LabelSet] = []
    private var dropsName: [Bool] = []
    /// Per group and step the samples chosen so far; of `topk` and `bottomk` heaps with the worst on top.
    private var cells: Candidates

    /// Values and row numbers held.
    var sampleCount: Int { 2 * cells.capacity }

    init(_ plan: AggregationPlan, steps: Int, _ parameter: [Double]) {
        operation = plan.operation
        self.steps = steps
        grouping = Grouping(plan.labels, isWithout: plan.isWithout)
        ratios = parameter.map { max(-1, min(1, $0)) }
        counts =
            plan.operation == .limitRatio
            ? parameter.map { _ in Int.max } : parameter.map { Int(max(0, min($0, 0x1p31))) }
        cells = Candidates(isLargestFirst: plan.operation == .topk)
    }

    /// - Parameter capacityMax: of values and row numbers held.
    /// - Returns: false when it would hold more; then the selection is of no use any more.
    mutating func add(_ frame: Frame, capacityMax: Int) -> Bool {
        for row in 0..<frame.count {
            // Growing and widening double at most.
            guard sampleCount <= capacityMax else { return false }
            let group = grouping.group(of: frame.labels[row], dropsName: frame.dropsName[row])
            cells.grow(to: (group + 1) * steps)
            let number = Int32(truncatingIfNeeded: labels.count)
            switch operation {
            case .limitRatio:
                let share = LabelHash.share(frame.labels[row])
                for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                    let ratio = ratios[step]
                    if ratio >= 0 ? share < ratio : share >= 1 + ratio {
                        cells.append(value, number, to: group * steps + step)
                    }
                }
            case .limitk:
                for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                    let cell = group * steps + step
                    if cells.count(cell) < counts[step] { cells.append(value, number, to: cell) }
                }
            default:
                for (step, value) in frame.row(row).enumerated() where !Frame.isAbsent(value) {
                    cells.offer(value, number, to: group * steps + step, limit: counts[step])
                }
            }
            labels.append(frame.labels[row])
            dropsName.append(frame.dropsName[row])
        }
        return sampleCount <= capacityMax
    }

    /// The chosen samples as series; at a single step group by group, the best first.
    func result() -> Frame {
        var result = Frame(steps: steps)
        guard steps > 1 else {
            for cell in 0..<cells.cellCount {
                let isRanked = operation == .topk || operation == .bottomk
                for (value, row) in isRanked ? cells.ranked(cell) : cells.members(cell) {
                    result.append(labels[row], dropsName: dropsName[row], CollectionOfOne(value))
                }
            }
            return result
        }
        var rows = [Int](repeating: -1, count: labels.count)
        for cell in 0..<cells.cellCount {
            for (_, row) in cells.members(cell) { rows[row] = 0 }
        }
        for row in rows.indices where rows[row] == 0 {
            rows[row] = result.count
            result.append(labels[row], dropsName: dropsName[row], repeatElement(Frame.absent, count: steps))
        }
        for cell in 0..<cells.cellCount {
            for (value, row) in cells.members(cell) { result.values[rows[row] * steps + cell % steps] = value }
        }
        return result
    }
}

/// A few samples per cell, in one flat store: each cell has room for `stride`, which doubles when one is full.
private struct Candidates {
    private static let strideMin = 8

    private let isLargestFirst: Bool
    private var stride = Candidates.strideMin
    private var counts: [Int32] = []
    private var values: [Double] = []
    private var rows: [Int32] = []

    init(isLargestFirst: Bool) { self.isLargestFirst = isLargestFirst }

    var cellCount: Int { counts.count }
    var capacity: Int { values.count }
    func count(_ cell: Int) -> Int { Int(counts[cell]) }

    mutating func grow(to cells: Int) {
        let missing = cells - counts.count
        guard missing > 0 else { return }
        counts.append(contentsOf: repeatElement(0, count: missing))
        values.append(contentsOf: repeatElement(0, count: missing * stride))
        rows.append(contentsOf: repeatElement(0, count: missing * stride))
    }

    private mutating func widen() {
        var wider = Candidates(isLargestFirst: isLargestFirst)
        wider.stride = stride * 2
        wider.grow(to: counts.count)
        wider.counts = counts
        for cell in counts.indices {
            for index in 0..<count(cell) {
                wider.values[cell * wider.stride + index] = values[cell * stride + index]
                wider.rows[cell * wider.stride + index] = rows[cell * stride + index]
            }
        }
        self = wider
    }

    mutating func append(_ value: Double, _ row: Int32, to cell: Int) {
        if count(cell) == stride { widen() }
        let place = cell * stride + count(cell)
        values[place] = value
        rows[place] = row
        counts[cell] += 1
    }

    /// NaN is worse than everything.
    @inline(__always)
    private func isBetter(_ one: Double, _ other: Double) -> Bool {
        if other.isNaN { return !one.isNaN }
        return isLargestFirst ? one > other : one < other
    }
    @inline(__always)
    private func isWorse(_ one: Double, _ other: Double) -> Bool {
        one.isNaN || (isLargestFirst ? one < other : one > other)
    }

    /// Keeps the best `limit` of a cell.
    @inline(__always)
    mutating func offer(_ value: Double, _ row: Int32, to cell: Int, limit: Int) {
        if count(cell) < limit {
            append(value, row, to: cell)
            siftUp(cell)
        } else if limit > 0, isBetter(value, values[cell * stride]) {
            values[cell * stride] = value
            rows[cell * stride] = row
            siftDown(cell)
        }
    }

    private mutating func siftUp(_ cell: Int) {
        let start = cell * stride
        var index = count(cell) - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard isWorse(values[start + index], values[start + parent]) else { return }
            swap(start + index, start + parent)
            index = parent
        }
    }

    private mutating func siftDown(_ cell: Int) {
        let (start, count) = (cell * stride, count(cell))
        var index = 0
        while 2 * index + 1 < count {
            var child = 2 * index + 1
            if child + 1 < count, isWorse(values[start + child + 1], values[start + child]) { child += 1 }
            guard isWorse(values[start + child], values[start + index]) else { return }
            swap(start + child, start + index)
            index = child
        }
    }

    private mutating func swap(_ one: Int, _ other: Int) {
        values.swapAt(one, other)
        rows.swapAt(one, other)
    }

    func members(_ cell: Int) -> [(value: Double, row: Int)] {
        (0..<count(cell)).map { (values[cell * stride + $0], Int(rows[cell * stride + $0])) }
    }

    func ranked(_ cell: Int) -> [(value: Double, row: Int)] {
        members(cell).sorted { isBetter($0.value, $1.value) }
    }
}
