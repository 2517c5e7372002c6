/// An instant vector at every step of a grid: one row of values per series.
///
/// A step without a sample holds ``Frame/absent``, the bits of a staleness marker, which is never a sample's value.
struct Frame: Sendable {
    @inline(__always) static var absent: Double { StalenessMarker.value }
    @inline(__always) static func isAbsent(_ value: Double) -> Bool { StalenessMarker.isStale(value) }

    /// What is known about the rows' labels, so that they need not be compared again.
    enum Distinctness: Sendable {
        case unknown
        /// No two rows have equal labels.
        case distinct
        /// Nor would they without the metric's name.
        case distinctWithoutName
    }

    let steps: Int
    var distinctness = Distinctness.unknown
    var labels: [LabelSet] = []
    /// Whether the metric's name goes when the query is done (Prometheus' delayed name removal).
    var dropsName: [Bool] = []
    /// `steps` values per series, series after series.
    var values: [Double] = []

    init(steps: Int) { self.steps = steps }

    init(steps: Int, labels: LabelSet, dropsName: Bool = false, values: [Double]) {
        self.steps = steps
        self.labels = [labels]
        self.dropsName = [dropsName]
        self.values = values
    }

    var count: Int { labels.count }
    var sampleCount: Int { values.count }

    mutating func append(_ labels: LabelSet, dropsName: Bool, _ row: some Sequence<Double>) {
        self.labels.append(labels)
        self.dropsName.append(dropsName)
        values.append(contentsOf: row)
    }

    mutating func append(contentsOf other: Frame) {
        labels.append(contentsOf: other.labels)
        dropsName.append(contentsOf: other.dropsName)
        values.append(contentsOf: other.values)
    }

    func row(_ index: Int) -> ArraySlice<Double> { values[index * steps..<(index + 1) * steps] }

    @inline(__always)
    mutating func withRow<Result>(_ index: Int, _ body: (UnsafeMutableBufferPointer<Double>) -> Result) -> Result {
        let steps = steps
        return values.withUnsafeMutableBufferPointer { buffer in
            body(UnsafeMutableBufferPointer(rebasing: buffer[index * steps..<(index + 1) * steps]))
        }
    }

    /// Applies a function to every sample.
    @inline(__always)
    mutating func map(_ transform: (Double) -> Double) {
        values.withUnsafeMutableBufferPointer { buffer in
            for index in buffer.indices where !Self.isAbsent(buffer[index]) {
                buffer[index] = transform(buffer[index])
            }
        }
    }

    /// Applies a function to every sample and its step.
    @inline(__always)
    mutating func mapSteps(_ transform: (Double, Int) -> Double) {
        let steps = steps
        values.withUnsafeMutableBufferPointer { buffer in
            var index = 0
            while index < buffer.count {
                for step in 0..<steps {
                    if !Self.isAbsent(buffer[index]) { buffer[index] = transform(buffer[index], step) }
                    index += 1
                }
            }
        }
    }

    mutating func dropNames() {
        for index in dropsName.indices { dropsName[index] = true }
    }

    /// Of rows without labels those with at least one sample.
    /// - Parameter companions: one per row; those of rows that go, go too.
    mutating func keepRowsWithSamples(_ companions: inout [Int]) {
        var kept = 0
        for index in companions.indices {
            let start = index * steps
            guard values[start..<start + steps].contains(where: { !Self.isAbsent($0) }) else { continue }
            if kept != index {
                companions[kept] = companions[index]
                dropsName[kept] = dropsName[index]
                for step in 0..<steps { values[kept * steps + step] = values[start + step] }
            }
            kept += 1
        }
        companions.removeLast(companions.count - kept)
        dropsName.removeLast(dropsName.count - kept)
        values.removeLast(values.count - kept * steps)
    }

    /// The rows with at least one sample.
    mutating func removeEmptyRows() {
        var kept = 0
        for index in 0..<count {
            let hasSample = row(index).contains { !Self.isAbsent($0) }
            guard hasSample else { continue }
            if kept != index {
                labels[kept] = labels[index]
                dropsName[kept] = dropsName[index]
                for step in 0..<steps { values[kept * steps + step] = values[index * steps + step] }
            }
            kept += 1
        }
        labels.removeLast(labels.count - kept)
        dropsName.removeLast(dropsName.count - kept)
        values.removeLast(values.count - kept * steps)
    }

    /// The frame of one step at every one of `count` steps.
    func broadcast(to count: Int) -> Frame {
        guard steps == 1, count != 1 else { return self }
        var result = Frame(steps: count)
        result.labels = labels
        result.dropsName = dropsName
        result.distinctness = distinctness
        result.values.reserveCapacity(labels.count * count)
        for value in values { result.values.append(contentsOf: repeatElement(value, count: count)) }
        return result
    }

    /// Joins rows with equal labels.
    /// - Throws: when two of them have a sample at the same step.
    mutating func mergeEqualLabels() throws(QueryError) {
        guard count > 1 else { return }
        var rows = [LabelSet: Int](minimumCapacity: count)
        var duplicates: [(row: Int, into: Int)] = []
        for index in 0..<count {
            if let first = rows[labels[index]] {
                duplicates.append((index, first))
            } else {
                rows[labels[index]] = index
            }
        }
        guard !duplicates.isEmpty else { return }
        for (row, target) in duplicates {
            for step in 0..<steps where !Self.isAbsent(values[row * steps + step]) {
                guard Self.isAbsent(values[target * steps + step]) else { throw QueryError.duplicateLabels }
                values[target * steps + step] = values[row * steps + step]
            }
        }
        let gone = Set(duplicates.map(\.row))
        var result = Frame(steps: steps)
        for index in 0..<count where !gone.contains(index) {
            result.append(labels[index], dropsName: dropsName[index], row(index))
        }
        self = result
    }
}

/// The times at which an expression is evaluated, milliseconds.
struct TimeGrid: Sendable, Hashable {
    let start: Int64
    let step: Int64
    let count: Int

    @inline(__always) func time(_ index: Int) -> Int64 { start &+ step &* Int64(index) }
    var end: Int64 { time(count - 1) }
    var first: TimeGrid { TimeGrid(start: start, step: step, count: 1) }
}
