import Detection

/// Arrays as points and rows: spans do not pass through the macros of tests.
protocol PointScorer {
    func score(_ point: Span<Float>) -> Double?
}

extension PointScorer {
    func score(at point: [Float]) -> Double? { score(point.span) }
}

extension IsolationForest: PointScorer {}
extension CompactForest: PointScorer {}
extension CorePoints: PointScorer {
    func distance(at point: [Float]) -> Float? { distance(point.span) }
    init(of rows: [Float], columns: Int, _ parameters: DBSCAN, limit: Int) throws {
        try self.init(rows: rows.span, columns: columns, parameters: parameters, limit: limit)
    }
}

extension DBSCAN {
    func cluster(_ rows: [Float], columns: Int) throws -> Clustering { try cluster(rows: rows.span, columns: columns) }
    static func chosen(of rows: [Float], columns: Int, trimming share: Double = 0.1) throws -> DBSCAN {
        try chosen(rows: rows.span, columns: columns, trimming: share)
    }
}
