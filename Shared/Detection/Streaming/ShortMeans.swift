/// Where a group's columns have been of late: means of their shares and signed roots, in which each new cell counts a
/// fifth.
struct ShortMeans: Sendable, Equatable {
    static let weight: Float = 0.2

    var shares: [Float]
    var roots: [Float]

    init(columns: Int) {
        shares = [Float](repeating: 0, count: columns)
        roots = shares
    }

    /// With a point in them whose deviations were taken from them.
    init(of point: borrowing GroupMemory.Point, columns: Int) {
        shares = (0..<columns).map { point.shares[$0] - point.shareDeviations[$0] }
        roots = (0..<columns).map { point.roots[$0] - point.rootDeviations[$0] }
    }

    mutating func follow(_ point: borrowing GroupMemory.Point) {
        for column in shares.indices {
            shares[column] += Self.weight * (point.shares[column] - shares[column])
            roots[column] += Self.weight * (point.roots[column] - roots[column])
        }
    }

    /// A point's, from the means with the point in them.
    func deviations(of point: inout GroupMemory.Point) {
        for column in shares.indices {
            point.shareDeviations[column] = (1 - Self.weight) * (point.shares[column] - shares[column])
            point.rootDeviations[column] = (1 - Self.weight) * (point.roots[column] - roots[column])
        }
    }

    /// In columns of other ranges.
    mutating func rescale(
        from former: (lows: [Float], spans: [Float]), to latter: (lows: [Float], spans: [Float])
    ) {
        for column in shares.indices
        where former.spans[column] != latter.spans[column] || former.lows[column] != latter.lows[column] {
            let mean = former.lows[column] + shares[column] * former.spans[column]
            shares[column] = (mean - latter.lows[column]) / max(latter.spans[column], .leastNormalMagnitude)
            roots[column] = GroupMemory.root(shares[column])
        }
    }
}
