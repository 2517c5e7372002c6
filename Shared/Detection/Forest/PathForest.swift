/// An isolation forest that keeps no tree: each is grown along the one path that the point takes, from rows of byte
/// codes that a memory holds anyway. So it costs no state, is as young as its memory, and never needs a training.
///
/// A tree draws ψ rows (with replacement), then at each node a column that varies and a threshold between its least and
/// greatest code, and goes on with the rows on the point's side, until it is alone or log2 ψ deep (Liu, Ting, Zhou,
/// "Isolation Forest", ICDM 2008). The point counts among the tree's own sample: a threshold can fall between it and
/// all rows, so what lies outside of all that was met is isolated sooner the farther out it lies.
///
/// What a tree draws depends on the seed, its number and the depth only, so that equal points score equally.
/// - Complexity: about 2 ψ byte comparisons per tree; 16 trees × 32 take 2 µs.
package struct PathForest: Sendable {
    package let trees: Int
    /// ψ, 2...256; of fewer rows, each tree takes as many as there are.
    package let sample: Int

    package static let sampleMax = 256

    /// - Precondition: at least one tree, ψ within 2...256.
    package init(trees: Int, sample: Int) {
        precondition(trees > 0 && (2...Self.sampleMax).contains(sample), "\(trees) trees of \(sample) rows")
        self.trees = trees
        self.sample = sample
    }

    /// c(n) of `PathLength`, for n up to ψ's greatest.
    private static let average: [Float] = (0...sampleMax).map { Float(PathLength.average($0)) }

    /// 1 - E(h) / c(ψ): 0 for the mean path, below it for what is deep inside, towards 1 for what is isolated at once.
    /// The usual score is 2 to the power of this less 1; this one has no bend, so that its tail can be calibrated.
    /// 0 where fewer than two rows are given.
    ///
    /// - Precondition: every row's `columns` codes from `row × stride` on lie within `codes`, and `point` has as many.
    package func score(
        _ point: Span<UInt8>, among rows: Span<UInt16>, of codes: Span<UInt8>, stride: Int, columns: Int, seed: UInt64
    ) -> Float {
        guard rows.count > 1, columns > 0 else { return 0 }
        let size = min(sample, rows.count, Self.sampleMax)
        let depthMax = PathLength.heightLimit(size)
        var sum: Float = 0
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: size) { node in
            for tree in 0..<trees {
                var random = SplitMix(seed: seed &+ UInt64(truncatingIfNeeded: tree))
                for place in 0..<size { node[place] = Int32(rows[random.index(below: rows.count)]) * Int32(stride) }
                var count = size
                var depth = 0
                while depth < depthMax, count > 1 {
                    let first = random.index(below: columns)
                    let part = random.next() >> 32
                    guard let cut = Self.cut(point, node, count, codes, columns: columns, first: first, part: part)
                    else { break }
                    let isAbove = point[cut.column] > cut.threshold
                    var kept = 0
                    for place in 0..<count
                    where (codes[Int(node[place]) + cut.column] > cut.threshold) == isAbove {
                        node[kept] = node[place]
                        kept += 1
                    }
                    count = kept
                    depth += 1
                }
                sum += Float(depth) + Self.average[count]
            }
        }
        return 1 - sum / Float(trees) / Self.average[size]
    }

    /// The first column from `first` on that varies among the node's rows and the point, and a threshold in it.
    @inline(__always)
    private static func cut(
        _ point: Span<UInt8>, _ node: UnsafeMutableBufferPointer<Int32>, _ count: Int, _ codes: Span<UInt8>,
        columns: Int, first: Int, part: UInt64
    ) -> (column: Int, threshold: UInt8)? {
        var column = first
        for _ in 0..<columns {
            var (least, greatest) = (point[column], point[column])
            for place in 0..<count {
                let code = codes[Int(node[place]) + column]
                least = min(least, code)
                greatest = max(greatest, code)
            }
            if least < greatest {
                return (column, least + UInt8(truncatingIfNeeded: (part &* UInt64(greatest - least)) >> 32))
            }
            column = column + 1 == columns ? 0 : column + 1
        }
        return nil
    }
}
