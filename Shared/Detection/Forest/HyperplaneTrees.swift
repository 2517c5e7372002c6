import Glibc

/// Binary trees whose nodes ask on which side of a hyperplane a point lies (Hariri 2019), padded as `AxisTrees` are.
struct HyperplaneTrees: Sendable {
    let columns: Int
    let depth: Int
    let treeCount: Int
    /// `columns` per node, `treeCount << depth` nodes, the first of each tree not used.
    private(set) var normals: [Float]
    /// A point goes right if its product with the normal is greater; +infinity where there is no split.
    private(set) var offsets: [Float]
    private(set) var paths: [Double]

    init(columns: Int, depth: Int, treeCount: Int) {
        precondition(depth <= AxisTrees.depthMax && columns <= IsolationForest.columnsMax)
        self.columns = columns
        self.depth = depth
        self.treeCount = treeCount
        normals = [Float](repeating: 0, count: (treeCount << depth) * columns)
        offsets = [Float](repeating: .infinity, count: treeCount << depth)
        paths = [Double](repeating: 0, count: treeCount << depth)
    }

    mutating func split(tree: Int, node: Int, normal: [Float], offset: Float) {
        precondition(node >= 1 && node < 1 << depth && normal.count == columns)
        let index = (tree << depth) + node
        offsets[index] = offset
        for column in 0..<columns { normals[index * columns + column] = normal[column] }
    }
    mutating func end(tree: Int, node: Int, level: Int, path: Double) {
        let under = depth - level
        let first = (node << under) - (1 << depth)
        let end = first + (1 << under)
        precondition(first >= 0 && end <= 1 << depth)
        for leaf in first..<end { paths[(tree << depth) + leaf] = path }
    }

    /// Mean path length of one point.
    /// - Precondition: `values` holds one finite value per column.
    func meanPath(_ values: UnsafePointer<Float>) -> Double {
        var sum = 0.0
        normals.withUnsafeBufferPointer { normals in
            offsets.withUnsafeBufferPointer { offsets in
                guard let normals = normals.baseAddress, let offsets = offsets.baseAddress else { return }
                // Four trees at a time, since each step waits for the one before; the sum is in the trees' order.
                let leaves = 1 &<< depth
                var tree = 0
                while tree &+ 4 <= treeCount {
                    let roots = SIMD4<Int>(tree, tree + 1, tree + 2, tree + 3) &<< depth
                    var (first, second, third, fourth) = (1, 1, 1, 1)
                    for _ in 0..<depth {
                        first = step(roots[0], first, values, normals, offsets)
                        second = step(roots[1], second, values, normals, offsets)
                        third = step(roots[2], third, values, normals, offsets)
                        fourth = step(roots[3], fourth, values, normals, offsets)
                    }
                    sum += paths[roots[0] + first - leaves]
                    sum += paths[roots[1] + second - leaves]
                    sum += paths[roots[2] + third - leaves]
                    sum += paths[roots[3] + fourth - leaves]
                    tree &+= 4
                }
                while tree < treeCount {
                    let root = tree &<< depth
                    var node = 1
                    for _ in 0..<depth { node = step(root, node, values, normals, offsets) }
                    sum += paths[root + node - leaves]
                    tree &+= 1
                }
            }
        }
        return sum / Double(treeCount)
    }

    @inline(__always)
    private func step(
        _ root: Int, _ node: Int, _ values: UnsafePointer<Float>, _ normals: UnsafePointer<Float>,
        _ offsets: UnsafePointer<Float>
    ) -> Int {
        let normal = normals + (root &+ node) &* columns
        var product: Float = 0
        var column = 0
        while column < columns {
            product += normal[column] * values[column]
            column &+= 1
        }
        return 2 &* node &+ (product > offsets[root &+ node] ? 1 : 0)
    }

    /// Grows trees: a node's normal has `terms` coordinates from the normal distribution, the others are 0, and its
    /// hyperplane goes through a point drawn uniformly from the box around the node's points.
    /// - Precondition: `sampleCount` is at least 1 and at most the rows' count; `terms` is 1...columns.
    static func grown(
        from rows: inout TrainingRows, treeCount: Int, sampleCount: Int, terms: Int,
        using generator: inout SplitMix
    ) -> HyperplaneTrees {
        let depth = PathLength.heightLimit(sampleCount)
        var trees = HyperplaneTrees(columns: rows.columns, depth: depth, treeCount: treeCount)
        var sample = [Float](repeating: 0, count: sampleCount * rows.columns)
        for tree in 0..<treeCount {
            rows.draw(sampleCount, into: &sample, using: &generator)
            trees.grow(tree: tree, sample: sample, sampleCount: sampleCount, terms: terms, using: &generator)
        }
        return trees
    }

    private mutating func grow(
        tree: Int, sample: [Float], sampleCount: Int, terms: Int, using generator: inout SplitMix
    ) {
        var open: [(node: Int, level: Int, points: [Int])] = [(1, 0, Array(0..<sampleCount))]
        while let (node, level, points) = open.popLast() {
            let low = (0..<columns).map { column in points.map { sample[column * sampleCount + $0] }.min() ?? 0 }
            let high = (0..<columns).map { column in points.map { sample[column * sampleCount + $0] }.max() ?? 0 }
            guard level < depth, points.count > 1, low != high else {
                end(tree: tree, node: node, level: level, path: Double(level) + PathLength.average(points.count))
                continue
            }
            var normal = [Float](repeating: 0, count: columns)
            var columnOrder = Array(0..<columns)
            var offset = 0.0
            for term in 0..<terms {
                columnOrder.swapAt(term, term + generator.index(below: columns - term))
                let column = columnOrder[term]
                normal[column] = Float(generator.normal())
                let through = Double(low[column]) + generator.unit() * (Double(high[column]) - Double(low[column]))
                offset += Double(normal[column]) * through
            }
            // Beyond 32 bits' range there is no such plane; the node then sends all to one side.
            let bound = Double(Float.greatestFiniteMagnitude)
            let plane = Float(max(-bound, min(bound, offset)))
            split(tree: tree, node: node, normal: normal, offset: plane)
            let isRight = points.map { point -> Bool in
                var product: Float = 0
                for column in 0..<columns { product += normal[column] * sample[column * sampleCount + point] }
                return product > plane
            }
            open.append((2 * node + 1, level + 1, zip(points, isRight).filter(\.1).map(\.0)))
            open.append((2 * node, level + 1, zip(points, isRight).filter { !$0.1 }.map(\.0)))
        }
    }
}

extension SplitMix {
    /// From the standard normal distribution (Box and Muller 1958).
    mutating func normal() -> Double {
        let radius = (-2 * log(1 - unit())).squareRoot()
        return radius * cos(2 * .pi * unit())
    }
}
