import Glibc

extension IsolationForest {
    /// 0...1; 0.5 is the mean path's score, what is near 1 is set apart at once. nil if a value is not finite, or the
    /// point does not have the forest's columns. Allocates nothing.
    package func score(_ point: Span<Float>) -> Double? {
        guard point.count == columns else { return nil }
        let average = PathLength.average(sampleCount)
        return point.withUnsafeBufferPointer { point -> Double? in
            guard let values = point.baseAddress else { return nil }
            switch trees {
            case .axis(let trees):
                return withUnsafeTemporaryAllocation(of: Int32.self, capacity: Self.columnsMax) { keys -> Double? in
                    guard let keys = keys.baseAddress else { return nil }
                    for column in 0..<columns {
                        guard values[column].isFinite else { return nil }
                        keys[column] = AxisTrees.key(values[column])
                    }
                    return PathLength.score(mean: trees.meanPath(keys), average: average)
                }
            case .hyperplane(let trees):
                for column in 0..<columns where !values[column].isFinite { return nil }
                return PathLength.score(mean: trees.meanPath(values), average: average)
            }
        }
    }

    /// Scores row by row, in place of what `scores` held; NaN where a value is not finite.
    /// - Throws: `raggedRows` if the values do not fill whole rows.
    package func score(rows: Span<Float>, into scores: inout [Double]) throws(DetectionError) {
        try DetectionError.check(values: rows.count, columns: columns, limit: Self.columnsMax)
        let count = rows.count / columns
        scores.removeAll(keepingCapacity: true)
        scores.reserveCapacity(count)
        switch trees {
        case .axis(let trees):
            rows.withUnsafeBufferPointer { values in
                guard let values = values.baseAddress else { return }
                scoreBlocks(trees, values, count: count, &scores)
            }
        case .hyperplane:
            for row in 0..<count {
                scores.append(score(rows.extracting(row * columns..<(row + 1) * columns)) ?? .nan)
            }
        }
    }

    private func scoreBlocks(
        _ trees: AxisTrees, _ values: UnsafePointer<Float>, count: Int, _ scores: inout [Double]
    ) {
        let blockRows = AxisTrees.blockRows
        let average = PathLength.average(sampleCount)
        // Points walk in fours; what is behind a block's last point walks along unseen.
        var keys = [Int32](repeating: 0, count: columns * blockRows)
        var sums = [Double](repeating: 0, count: blockRows)
        var places = [UInt32](repeating: 0, count: blockRows)
        for start in stride(from: 0, to: count, by: blockRows) {
            let block = min(blockRows, count - start)
            let rows = values + start * columns
            for point in 0..<block { sums[point] = 0 }
            let areFinite = keys.withUnsafeMutableBufferPointer { keys -> Bool in
                sums.withUnsafeMutableBufferPointer { sums in
                    places.withUnsafeMutableBufferPointer { places in
                        // None of them is empty.
                        guard let keys = keys.baseAddress, let sums = sums.baseAddress, let places = places.baseAddress
                        else { return true }
                        let areFinite = fill(keys, from: rows, count: block)
                        trees.addPaths(keys, count: block, to: sums, places)
                        return areFinite
                    }
                }
            }
            for point in 0..<block {
                scores.append(PathLength.score(mean: sums[point] / Double(trees.treeCount), average: average))
            }
            if !areFinite { mark(rows, count: block, in: &scores, from: start) }
        }
    }

    /// Turns rows into keys, column by column.
    /// - Returns: whether all values are finite.
    private func fill(_ keys: UnsafeMutablePointer<Int32>, from rows: UnsafePointer<Float>, count: Int) -> Bool {
        var areFinite = true
        for column in 0..<columns {
            let target = keys + column * AxisTrees.blockRows
            for point in 0..<count {
                let value = rows[point * columns + column]
                areFinite = areFinite && value.isFinite
                target[point] = AxisTrees.key(value)
            }
        }
        return areFinite
    }

    private func mark(_ rows: UnsafePointer<Float>, count: Int, in scores: inout [Double], from start: Int) {
        for point in 0..<count {
            for column in 0..<columns where !rows[point * columns + column].isFinite { scores[start + point] = .nan }
        }
    }
}
