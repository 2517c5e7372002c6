/// The finite rows of a window, from which each tree draws its sample.
struct TrainingRows {
    let columns: Int
    /// Rows that hold a value that is not finite, and are left out.
    let skippedCount: Int
    private let values: [Float]
    /// Where usable rows start; its order changes with each draw.
    private var starts: [Int32]

    var count: Int { starts.count }

    init(_ rows: Span<Float>, columns: Int, limit: Int) throws(DetectionError) {
        try DetectionError.check(values: rows.count, columns: columns, limit: limit)
        guard rows.count <= Int32.max else { throw .parameter("more than 2^31 values") }
        self.columns = columns
        values = rows.withUnsafeBufferPointer { Array($0) }
        starts = []
        starts.reserveCapacity(rows.count / columns)
        var start = 0
        while start < values.count {
            if values[start..<start + columns].allSatisfy(\.isFinite) { starts.append(Int32(start)) }
            start += columns
        }
        skippedCount = values.count / columns - starts.count
        guard !starts.isEmpty else { throw .nothingToLearn }
    }

    /// Draws without replacement (the first steps of Fisher and Yates' shuffle), column by column into `sample`.
    /// - Precondition: `count` is at most the rows' count, and `sample` holds `count` × `columns` values.
    mutating func draw(_ count: Int, into sample: inout [Float], using generator: inout SplitMix) {
        precondition(count <= starts.count && sample.count == count * columns)
        for position in 0..<count {
            starts.swapAt(position, position + generator.index(below: starts.count - position))
            let start = Int(starts[position])
            for column in 0..<columns { sample[column * count + position] = values[start + column] }
        }
    }

    /// One column of the usable rows, in no particular order.
    func column(_ column: Int) -> [Float] { starts.map { values[Int($0) + column] } }
}
