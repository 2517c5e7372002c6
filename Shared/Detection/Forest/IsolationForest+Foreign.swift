/// A tree in the arrays that scikit-learn's `tree_` has (`children_left`, `children_right`, `feature`, `threshold`,
/// `n_node_samples`): node 0 is the root, a leaf has -1 for both children, and a value goes left if, as a 32-bit
/// float, it is at most the threshold.
package struct ForeignTree: Sendable {
    package var left: [Int32]
    package var right: [Int32]
    package var column: [Int32]
    package var threshold: [Double]
    package var sampleCount: [Int32]

    package init(left: [Int32], right: [Int32], column: [Int32], threshold: [Double], sampleCount: [Int32]) {
        self.left = left
        self.right = right
        self.column = column
        self.threshold = threshold
        self.sampleCount = sampleCount
    }

    /// The greatest 32-bit float that is not above: it parts 32-bit floats exactly as the 64-bit threshold does.
    /// - Precondition: within the range of 32-bit floats.
    static func roundedDown(_ threshold: Double) -> Float {
        let nearest = Float(threshold)
        return Double(nearest) > threshold ? nearest.nextDown : nearest
    }
}

extension IsolationForest {
    /// A forest grown elsewhere; scores agree with scikit-learn's `-score_samples` to rounding of the last bits.
    /// - Parameter sampleCount: ψ that paths are divided for (`max_samples_`).
    /// - Throws: `columns`, `parameter` (no tree or too many, ψ), `damaged` for arrays that are no tree, or for a tree
    ///   deeper than 12 levels (ψ above 4096).
    package init(foreign trees: [ForeignTree], columns: Int, sampleCount: Int) throws(DetectionError) {
        try DetectionError.check(values: 0, columns: columns, limit: Self.columnsMax)
        guard (1...Self.treesMax).contains(trees.count) else { throw .parameter("\(trees.count) trees") }
        guard (1...Self.sampleMax).contains(sampleCount) else { throw .parameter("sampleCount \(sampleCount)") }
        var depth = 0
        for tree in trees { depth = max(depth, try tree.depth(columns: columns)) }
        var own = AxisTrees(columns: columns, depth: depth, treeCount: trees.count)
        for (index, tree) in trees.enumerated() { tree.copy(into: &own, tree: index) }
        self.init(trees: .axis(own), columns: columns, sampleCount: sampleCount)
    }
}

extension ForeignTree {
    /// Checks all that is reached from the root.
    /// - Returns: levels below the root.
    fileprivate func depth(columns: Int) throws(DetectionError) -> Int {
        let count = left.count
        guard count > 0, right.count == count, column.count == count, threshold.count == count,
            sampleCount.count == count
        else { throw .damaged("a tree's arrays differ in length") }
        var depth = 0
        var reached = 0
        var open: [(node: Int, level: Int)] = [(0, 0)]
        while let (node, level) = open.popLast() {
            // A node that is reached twice makes it more than there are.
            reached += 1
            guard reached <= count else { throw .damaged("a tree's nodes meet") }
            depth = max(depth, level)
            if left[node] == -1, right[node] == -1 {
                guard sampleCount[node] >= 0 else { throw .damaged("a leaf's count") }
                continue
            }
            guard level < AxisTrees.depthMax else { throw .damaged("a tree of more than \(level) levels") }
            guard (0..<columns).contains(Int(column[node])) else { throw .damaged("a node's column") }
            guard abs(threshold[node]) <= Double(Float.greatestFiniteMagnitude) else {
                throw .damaged("a node's threshold")
            }
            for child in [left[node], right[node]] {
                guard (0..<count).contains(Int(child)) else { throw .damaged("a node's child") }
                open.append((Int(child), level + 1))
            }
        }
        return depth
    }

    fileprivate func copy(into trees: inout AxisTrees, tree: Int) {
        var open: [(node: Int, own: Int, level: Int)] = [(0, 1, 0)]
        while let (node, own, level) = open.popLast() {
            if left[node] == -1, right[node] == -1 {
                let path = Double(level) + PathLength.average(Int(sampleCount[node]))
                trees.end(tree: tree, node: own, level: level, path: path)
                continue
            }
            trees.split(
                tree: tree, node: own, column: Int(column[node]), threshold: Self.roundedDown(threshold[node]))
            open.append((Int(right[node]), 2 * own + 1, level + 1))
            open.append((Int(left[node]), 2 * own, level + 1))
        }
    }
}
