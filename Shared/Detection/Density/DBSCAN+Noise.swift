extension DBSCAN {
    /// Points that make a core point of a small window, itself among them.
    static let windowNeighbours = 5

    /// Whether each row of a small window is noise, by the radius within which all but `share` of the rows have
    /// `windowNeighbours` points: what is not dense itself and not near to what is. Nowhere more than `share` of the
    /// rows; false for all where there are too few rows to tell.
    /// - Complexity: O(rows² × columns) for the radius.
    package static func noise(rows: Span<Float>, columns: Int, share: Double) -> [Bool] {
        let count = columns > 0 ? rows.count / columns : 0
        let quiet = [Bool](repeating: false, count: count)
        guard count > 2 * windowNeighbours else { return quiet }
        let distances = (0..<count).map { rank(windowNeighbours, from: $0, rows, columns, count) }.sorted()
        let radius = Double(distances[min(count - 1, Int((1 - share) * Double(count)))]).squareRoot()
        // A radius of nothing (rows that are the same) or none (beyond single precision): nothing stands out.
        guard let parameters = try? DBSCAN(radius: radius.nextUp, neighbours: windowNeighbours),
            let clustering = try? parameters.cluster(rows: rows, columns: columns)
        else { return quiet }
        return clustering.labels.map { $0 == Clustering.noise }
    }

    /// Squared distance to the row's `rank`-th nearest, itself the first.
    private static func rank(_ rank: Int, from row: Int, _ rows: Span<Float>, _ columns: Int, _ count: Int) -> Float {
        var nearest = SIMD8<Float>(repeating: .infinity)
        for other in 0..<count {
            var square: Float = 0
            for column in 0..<columns {
                let apart = rows[row * columns + column] - rows[other * columns + column]
                square += apart * apart
            }
            guard square < nearest[rank - 1] else { continue }
            var place = rank - 1
            while place > 0, nearest[place - 1] > square {
                nearest[place] = nearest[place - 1]
                place -= 1
            }
            nearest[place] = square
        }
        return nearest[rank - 1]
    }
}
