extension DBSCAN {
    /// Rows whose distances are looked at; of more rows, so many evenly spread ones.
    package static let choiceRowsMax = 512

    /// Parameters from the data, by this rule:
    ///
    /// * neighbours: twice the columns (Sander, Ester, Kriegel, Xu 1998), at least 4, at most all rows.
    /// * radius: the distances of rows to their `neighbours`-th nearest, themselves counted, in ascending order, without
    ///   the greatest `share` of them, which are presumed anomalous. Of that curve, the knee: the point farthest below
    ///   the chord from its first to its last (Satopää, Albrecht, Irwin, Raghavan 2011), both axes brought to 0...1. If
    ///   none is a twentieth below, there is no knee, and it is the last: all that was kept are core points.
    /// * Where the knee is 0 (rows that are the same), the least distance that is not; if there is none, 2⁻²⁰ of the
    ///   greatest value, or 2⁻²⁰ if all values are 0.
    ///
    /// - Throws: `columns`, `raggedRows`, `nothingToLearn`, `parameter` for a share out of 0..<1.
    package static func chosen(
        rows: Span<Float>, columns: Int, trimming share: Double = 0.1
    ) throws(DetectionError) -> DBSCAN {
        guard share >= 0, share < 1 else { throw .parameter("share \(share)") }
        let points = try FinitePoints(rows, columns: columns, limit: columnsMax)
        guard !points.rows.isEmpty else { throw .nothingToLearn }
        let neighbours = min(max(4, 2 * columns), points.rows.count)
        let distances = neighbourDistances(points, columns: columns, rank: neighbours)
        let kept = distances.prefix(max(1, distances.count - Int(share * Double(distances.count))))
        var radius = knee(Array(kept))
        if radius == 0 { radius = distances.first { $0 > 0 } ?? 0 }
        if radius == 0 {
            let greatest = points.values.reduce(0) { max($0, abs($1)) }
            radius = (greatest > 0 ? Double(greatest) : 1) * 0x1p-20
        }
        return try DBSCAN(radius: radius, neighbours: neighbours)
    }

    /// Ascending.
    private static func neighbourDistances(_ points: FinitePoints, columns: Int, rank: Int) -> [Double] {
        let tree = PointTree(points.values, columns: columns)
        let count = points.rows.count
        let chosen = min(count, choiceRowsMax)
        var nearest: [Double] = []
        nearest.reserveCapacity(rank)
        var point = [Double](repeating: 0, count: columns * PointTree.leafMax)
        var distances = (0..<chosen).map { index -> Double in
            let row = index * count / chosen
            for column in 0..<columns {
                point[column * PointTree.leafMax] = Double(points.values[row * columns + column])
            }
            return point.withUnsafeBufferPointer { point in
                point.baseAddress.map { tree.distance(toNearest: rank, of: $0, &nearest).squareRoot() } ?? 0
            }
        }
        distances.sort()
        return distances
    }

    /// - Precondition: `curve` is ascending and not empty.
    private static func knee(_ curve: [Double]) -> Double {
        let (first, last) = (curve[0], curve[curve.count - 1])
        guard last > first else { return last }
        var best = (below: 0.05, value: last)
        for (index, value) in curve.enumerated() {
            let below = Double(index) / Double(curve.count - 1) - (value - first) / (last - first)
            if below > best.below { best = (below, value) }
        }
        return best.value
    }
}
