/// The core points of a small window, for a stream: how far a new point is from the nearest of them.
///
/// Kept as floats in eights, column by column; `limit` points of 5 columns take `limit` × 20 B. One query takes about
/// 0.1 µs for 64 points of 5 columns.
package struct CorePoints: Sendable {
    package static let limitMax = 4096
    private static let lanes = 8

    package let columns: Int
    package let count: Int
    /// Above 0.
    package let radius: Float
    /// Per eight points, `columns` vectors; infinity where there is no point.
    private var groups: [SIMD8<Float>]

    /// Clusters the window and keeps its core points; of more than `limit`, so many evenly spread ones in the rows'
    /// order. Where no row is a core point, all finite rows are kept: strange is then what is far from all that was seen.
    /// - Throws: `columns`, `raggedRows`, `nothingToLearn`, `parameter` for a limit out of 1...4096.
    package init(rows: Span<Float>, columns: Int, parameters: DBSCAN, limit: Int) throws(DetectionError) {
        guard (1...Self.limitMax).contains(limit) else { throw .parameter("limit \(limit)") }
        let clustering = try parameters.cluster(rows: rows, columns: columns)
        let rowCount = clustering.labels.count
        var chosen = (0..<rowCount).filter { clustering.isCore[$0] }
        if chosen.isEmpty {
            chosen = (0..<rowCount).filter { row in (0..<columns).allSatisfy { rows[row * columns + $0].isFinite } }
        }
        guard !chosen.isEmpty else { throw .nothingToLearn }
        if chosen.count > limit {
            let all = chosen
            chosen = (0..<limit).map { all[$0 * all.count / limit] }
        }
        var points: [Float] = []
        points.reserveCapacity(chosen.count * columns)
        for row in chosen {
            for column in 0..<columns { points.append(rows[row * columns + column]) }
        }
        let radius = Float(min(parameters.radius, Double(Float.greatestFiniteMagnitude)))
        self.init(points: points, columns: columns, radius: max(radius, .leastNormalMagnitude))
    }

    /// - Precondition: whole rows of finite values, at least one; `radius` is above 0.
    private init(points: [Float], columns: Int, radius: Float) {
        self.columns = columns
        self.radius = radius
        count = points.count / columns
        let groupCount = (count + Self.lanes - 1) / Self.lanes
        groups = [SIMD8<Float>](repeating: SIMD8(repeating: .infinity), count: groupCount * columns)
        for point in 0..<count {
            for column in 0..<columns {
                groups[point / Self.lanes * columns + column][point % Self.lanes] = points[point * columns + column]
            }
        }
    }

    /// Euclidean distance to the nearest core point; nil if a value is not finite, or the point does not have the
    /// columns. Infinite beyond the range of 32-bit floats. Allocates nothing.
    package func distance(_ point: Span<Float>) -> Float? {
        guard point.count == columns else { return nil }
        for column in 0..<columns where !point[column].isFinite { return nil }
        var least = SIMD8<Float>(repeating: .infinity)
        var group = 0
        while group < groups.count {
            var sums = SIMD8<Float>.zero
            for column in 0..<columns {
                let difference = groups[group + column] - point[column]
                sums += difference * difference
            }
            least.replace(with: sums, where: sums .< least)
            group += columns
        }
        return least.min().squareRoot()
    }

    /// The distance in radii: 0 on a core point, up to 1 a border point's, above 1 noise. nil as `distance`.
    package func score(_ point: Span<Float>) -> Double? { distance(point).map { Double($0) / Double(radius) } }

    // MARK: bytes

    private static let magic: StaticString = "SBCP"
    private static let version: UInt8 = 1

    /// In `ModelBytes`'s frame under the magic `SBCP`, version 1: columns (2 B, 1...256), count (2 B, 1...4096), radius
    /// (float above 0), then the points row by row (floats, finite).
    package var bytes: [UInt8] {
        ModelBytes.framed(magic: Self.magic, version: Self.version, bodyBytes: 8 + count * columns * 4) { writer in
            writer.write(UInt16(columns))
            writer.write(UInt16(count))
            writer.write(radius)
            for point in 0..<count {
                for column in 0..<columns {
                    writer.write(groups[point / Self.lanes * columns + column][point % Self.lanes])
                }
            }
        }
    }

    /// - Throws: `damaged`, `version`.
    package init(bytes: [UInt8]) throws(DetectionError) {
        var reader = try ModelBytes.body(bytes, magic: Self.magic, version: Self.version)
        let columns = Int(try reader.uint16())
        let count = Int(try reader.uint16())
        guard (1...DBSCAN.columnsMax).contains(columns) else { throw .damaged("columns") }
        guard (1...Self.limitMax).contains(count) else { throw .damaged("count of points") }
        let radius = try reader.float()
        guard radius > 0 else { throw .damaged("radius") }
        guard reader.remaining == count * columns * 4 else { throw .damaged("length") }
        var points: [Float] = []
        points.reserveCapacity(count * columns)
        for _ in 0..<count * columns { points.append(try reader.float()) }
        try reader.finish()
        self.init(points: points, columns: columns, radius: radius)
    }
}
