/// Averages a group's rows into cells, column by column.
struct GroupCell: Sendable, Equatable {
    var clock = Cell()
    var sums: [Double]
    var counts: [UInt32]
    var last: [Double]

    init(columns: Int) {
        sums = [Double](repeating: 0, count: columns)
        counts = [UInt32](repeating: 0, count: columns)
        last = [Double](repeating: .nan, count: columns)
    }

    var step: Int64 { clock.step }

    mutating func restart() { clock.restart() }

    /// True if the row completes a cell, nil if it cannot be used.
    mutating func add(_ row: Span<Double>, at time: Int64, length: Int64) -> Bool? {
        var hasValue = false
        for column in 0..<row.count where row[column].isFinite { hasValue = true }
        guard hasValue else { return nil }
        let arrival = clock.add(0, at: time, length: length)
        if arrival == .outOfOrder { return nil }
        if clock.isFresh {
            for column in sums.indices { (sums[column], counts[column]) = (0, 0) }
        }
        for column in 0..<row.count where row[column].isFinite {
            sums[column] += row[column]
            counts[column] += 1
        }
        return arrival != .open
    }

    /// The column's mean over the cell (its last value if it had none), which begins anew.
    mutating func takeMean(_ column: Int) -> Double {
        if counts[column] > 0 { last[column] = sums[column] / Double(counts[column]) }
        (sums[column], counts[column]) = (0, 0)
        return last[column]
    }
}
