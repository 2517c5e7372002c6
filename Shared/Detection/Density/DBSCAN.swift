/// DBSCAN (Ester, Kriegel, Sander, Xu, KDD 1996): points with enough others within a radius are core points; core points
/// within the radius of each other are one cluster; points within the radius of a core point are its cluster's border;
/// all others are noise.
///
/// Clusters are numbered by their first core point's row, and a border point of several goes to the lowest number: the
/// labels are those of scikit-learn.
package struct DBSCAN: Sendable, Equatable {
    /// Euclidean (`eps` of scikit-learn); a point at just this distance is within. Above 0, finite.
    package let radius: Double
    /// Points within the radius that make a core point, itself among them (`min_samples`). At least 1.
    package let neighbours: Int

    package static let columnsMax = 256

    /// - Throws: `parameter`.
    package init(radius: Double, neighbours: Int) throws(DetectionError) {
        guard radius > 0, radius.isFinite else { throw .parameter("radius \(radius)") }
        guard neighbours >= 1 else { throw .parameter("neighbours \(neighbours)") }
        self.radius = radius
        self.neighbours = neighbours
    }

    /// Finite, so that the infinity that stands for no point is beyond it.
    var squaredRadius: Double { min(radius * radius, .greatestFiniteMagnitude) }

    package struct Clustering: Sendable, Equatable {
        /// Per row its cluster from 0, or `noise`.
        package var labels: [Int32]
        /// Per row whether it is a core point.
        package var isCore: [Bool]
        package var clusterCount: Int
        /// Rows with a value that is not finite: they are noise and nobody's neighbours.
        package var skippedCount: Int

        package static let noise: Int32 = -1
    }

    /// Clusters rows of 32-bit floats, row by row; none is no cluster.
    /// - Throws: `columns`, `raggedRows`, `parameter` above 2³¹ values.
    /// - Complexity: near O(n log n) while clusters are small beside the whole and columns few; O(n²) at worst.
    package func cluster(rows: Span<Float>, columns: Int) throws(DetectionError) -> Clustering {
        let points = try FinitePoints(rows, columns: columns, limit: Self.columnsMax)
        var result = Clustering(
            labels: [Int32](repeating: Clustering.noise, count: points.rowCount),
            isCore: [Bool](repeating: false, count: points.rowCount), clusterCount: 0,
            skippedCount: points.rowCount - points.rows.count)
        guard !points.rows.isEmpty else { return result }
        var clusterer = Clusterer(
            tree: PointTree(points.values, columns: columns), limit: squaredRadius, neighbours: neighbours)
        clusterer.markCores()
        clusterer.joinCores()
        let labels = clusterer.labels()
        for (point, row) in points.rows.enumerated() {
            result.labels[Int(row)] = labels.labels[point]
            result.isCore[Int(row)] = labels.isCore[point]
        }
        result.clusterCount = labels.count
        return result
    }
}

/// The rows that are finite, and which they were.
struct FinitePoints {
    let rowCount: Int
    private(set) var rows: [Int32] = []
    private(set) var values: [Float] = []

    init(_ all: Span<Float>, columns: Int, limit: Int) throws(DetectionError) {
        try DetectionError.check(values: all.count, columns: columns, limit: limit)
        guard all.count <= Int32.max else { throw .parameter("more than 2^31 values") }
        rowCount = all.count / columns
        values.reserveCapacity(all.count)
        rows.reserveCapacity(rowCount)
        for row in 0..<rowCount {
            let range = row * columns..<(row + 1) * columns
            guard range.allSatisfy({ all[$0].isFinite }) else { continue }
            for index in range { values.append(all[index]) }
            rows.append(Int32(row))
        }
    }
}
