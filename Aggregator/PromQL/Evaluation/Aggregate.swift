import Telemetry

/// Accumulates the rows of an aggregation's input, group by group and step by step.
protocol Aggregate {
    /// Adds a row to a group, whose number is at most one above those seen before.
    mutating func add(_ row: ArraySlice<Double>, to group: Int)
    /// The groups' rows, `steps` values each.
    func values() -> [Double]
}

/// `sum`: compensated.
struct SumAggregate: Aggregate {
    let steps: Int
    private var sums: [Double] = []
    private var compensations: [Double] = []

    init(steps: Int) { self.steps = steps }

    mutating func add(_ row: ArraySlice<Double>, to group: Int) {
        grow(&sums, group, steps, Frame.absent)
        grow(&compensations, group, steps, 0)
        let start = group * steps
        row.withUnsafeBufferPointer { row in
            sums.withUnsafeMutableBufferPointer { sums in
                compensations.withUnsafeMutableBufferPointer { compensations in
                    for step in row.indices where !Frame.isAbsent(row[step]) {
                        let place = start + step
                        if Frame.isAbsent(sums[place]) {
                            sums[place] = row[step]
                        } else {
                            var sum = KahanSum(sums[place], compensations[place])
                            sum.add(row[step])
                            sums[place] = sum.sum
                            compensations[place] = sum.compensation
                        }
                    }
                }
            }
        }
    }

    func values() -> [Double] {
        sums.indices.map { Frame.isAbsent(sums[$0]) ? Frame.absent : sums[$0] + compensations[$0] }
    }
}

/// `min`, `max`, `count`, `group`: one number per cell.
struct CellAggregate: Aggregate {
    let steps: Int
    private let operation: AggregationOperator
    private var cells: [Double] = []

    init(steps: Int, _ operation: AggregationOperator) {
        self.steps = steps
        self.operation = operation
    }

    mutating func add(_ row: ArraySlice<Double>, to group: Int) {
        grow(&cells, group, steps, Frame.absent)
        let start = group * steps
        for (step, value) in row.enumerated() where !Frame.isAbsent(value) {
            let cell = cells[start + step]
            let isFirst = Frame.isAbsent(cell)
            switch operation {
            case .count: cells[start + step] = isFirst ? 1 : cell + 1
            case .max: if isFirst || cell < value || cell.isNaN { cells[start + step] = value }
            case .min: if isFirst || cell > value || cell.isNaN { cells[start + step] = value }
            default: cells[start + step] = 1
            }
        }
    }

    func values() -> [Double] { cells }
}

/// `avg`.
struct MeanAggregate: Aggregate {
    let steps: Int
    private var cells: [KahanMean] = []

    init(steps: Int) { self.steps = steps }

    mutating func add(_ row: ArraySlice<Double>, to group: Int) {
        grow(&cells, group, steps, KahanMean())
        let start = group * steps
        row.withUnsafeBufferPointer { row in
            cells.withUnsafeMutableBufferPointer { cells in
                for step in row.indices where !Frame.isAbsent(row[step]) { cells[start + step].add(row[step]) }
            }
        }
    }

    func values() -> [Double] { cells.map { $0.count == 0 ? Frame.absent : $0.mean } }
}

/// `stddev` and `stdvar`: Welford's method.
struct VarianceAggregate: Aggregate {
    private struct Cell {
        var count = 0.0
        var mean = 0.0
        var squares = 0.0
    }
    let steps: Int
    private let isDeviation: Bool
    private var cells: [Cell] = []

    init(steps: Int, isDeviation: Bool) {
        self.steps = steps
        self.isDeviation = isDeviation
    }

    mutating func add(_ row: ArraySlice<Double>, to group: Int) {
        grow(&cells, group, steps, Cell())
        let start = group * steps
        for (step, value) in row.enumerated() where !Frame.isAbsent(value) {
            var cell = cells[start + step]
            cell.count += 1
            if cell.count == 1 {
                cell.mean = value
                cell.squares = value.isFinite ? 0 : .nan
            } else {
                let delta = value - cell.mean
                cell.mean += delta / cell.count
                cell.squares += delta * (value - cell.mean)
            }
            cells[start + step] = cell
        }
    }

    func values() -> [Double] {
        cells.map { cell in
            guard cell.count > 0 else { return Frame.absent }
            let variance = cell.squares / cell.count
            return isDeviation ? variance.squareRoot() : variance
        }
    }
}

/// `quantile`: keeps all values.
struct QuantileAggregate: Aggregate {
    let steps: Int
    /// One per step.
    private let quantiles: [Double]
    private var cells: [[Double]] = []

    init(steps: Int, _ quantiles: [Double]) {
        self.steps = steps
        self.quantiles = quantiles
    }

    mutating func add(_ row: ArraySlice<Double>, to group: Int) {
        grow(&cells, group, steps, [])
        for (step, value) in row.enumerated() where !Frame.isAbsent(value) {
            cells[group * steps + step].append(value)
        }
    }

    func values() -> [Double] {
        cells.indices.map { index in
            var values = cells[index]
            return values.isEmpty ? Frame.absent : Quantile.of(quantiles[index % steps], &values)
        }
    }
}

@inline(__always)
private func grow<Cell>(_ cells: inout [Cell], _ group: Int, _ steps: Int, _ empty: Cell) {
    let missing = (group + 1) * steps - cells.count
    if missing > 0 { cells.append(contentsOf: repeatElement(empty, count: missing)) }
}

/// Numbers the groups of an aggregation.
struct Grouping {
    private(set) var labels: [LabelSet] = []
    private(set) var dropsName: [Bool] = []
    private var numbers: [LabelSet: Int] = [:]
    /// With one label its value tells the group.
    private var numbersByValue: [String: Int] = [:]
    /// The series before, whose labels neighbours often share, and its group.
    private var before: (labels: LabelSet, group: Int)?
    private let names: [String]
    private let isWithout: Bool
    private let singleName: String?

    init(_ labels: [String], isWithout: Bool) {
        names = isWithout ? labels + [SeriesKey.nameLabel] : labels
        self.isWithout = isWithout
        singleName = !isWithout && labels.count == 1 ? labels[0] : nil
    }

    func key(_ labels: LabelSet) -> LabelSet {
        if isWithout { return labels.dropping(names) }
        return names.isEmpty ? .empty : labels.keeping(names)
    }

    mutating func group(of series: LabelSet, dropsName drops: Bool) -> Int {
        if let before, before.labels.isShared(with: series) {
            if drops { dropsName[before.group] = true }
            return before.group
        }
        let group = found(series, drops)
        before = (series, group)
        return group
    }

    private mutating func found(_ series: LabelSet, _ drops: Bool) -> Int {
        if let singleName {
            let value = series[singleName] ?? ""
            if let known = numbersByValue[value] {
                if drops { dropsName[known] = true }
                return known
            }
            numbersByValue[value] = labels.count
        } else if names.isEmpty, !labels.isEmpty {
            if drops { dropsName[0] = true }
            return 0
        }
        let key = key(series)
        if let known = numbers[key] {
            if drops { dropsName[known] = true }
            return known
        }
        numbers[key] = labels.count
        labels.append(key)
        dropsName.append(drops)
        return labels.count - 1
    }
}
