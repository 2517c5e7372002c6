extension AxisTrees {
    /// Mean path length of one point; its keys are read at stride 1.
    /// - Precondition: `keys` holds one key per column.
    func meanPath(_ keys: UnsafePointer<Int32>) -> Double {
        var sum = 0.0
        nodes.withUnsafeBufferPointer { nodes in
            paths.withUnsafeBufferPointer { paths in
                // An array's buffer has a base address unless it is empty, and then there is no tree to walk.
                guard let nodes = nodes.baseAddress, let paths = paths.baseAddress else { return }
                for tree in 0..<treeCount {
                    let root = nodes + (tree &<< depth)
                    var node = 1
                    for _ in 0..<depth {
                        let split = root[node]
                        node = 2 &* node &- Self.isGreater(keys[split.column], split.threshold)
                    }
                    sum += paths[(tree &<< depth) + node - (1 &<< depth)]
                }
            }
        }
        return sum / Double(treeCount)
    }

    /// Adds up the path lengths of a block of points, tree by tree.
    /// - Precondition: `keys` holds `columns` × `blockRows` keys, column by column; `sums` `blockRows` sums.
    func addPaths(_ keys: UnsafePointer<Int32>, count: Int, to sums: UnsafeMutablePointer<Double>) {
        nodes.withUnsafeBufferPointer { nodes in
            paths.withUnsafeBufferPointer { paths in
                guard let nodes = nodes.baseAddress, let paths = paths.baseAddress else { return }
                for tree in 0..<treeCount {
                    let start = tree &<< depth
                    walk(nodes + start, paths + start, keys, count: count, sums)
                }
            }
        }
    }

    /// Four points at a time: each step waits for two loads, and the chains fill that wait. The first three levels are
    /// asked for all four at once, in vectors.
    @inline(__always)
    private func walk(
        _ root: UnsafePointer<Node>, _ paths: UnsafePointer<Double>, _ keys: UnsafePointer<Int32>, count: Int,
        _ sums: UnsafeMutablePointer<Double>
    ) {
        let levels = depth - Self.depthMin
        let leaves = paths - (1 &<< depth)
        var point = 0
        while point < count {
            let keys = keys + point
            let sums = sums + point
            let start = Self.thirdLevel(root, keys)
            var (first, second, third, fourth) = (Int(start[0]), Int(start[1]), Int(start[2]), Int(start[3]))
            for _ in 0..<levels {
                first = Self.step(root, first, keys)
                second = Self.step(root, second, keys + 1)
                third = Self.step(root, third, keys + 2)
                fourth = Self.step(root, fourth, keys + 3)
            }
            sums[0] += leaves[first]
            sums[1] += leaves[second]
            sums[2] += leaves[third]
            sums[3] += leaves[fourth]
            point &+= 4
        }
    }

    @inline(__always)
    private static func step(_ root: UnsafePointer<Node>, _ node: Int, _ keys: UnsafePointer<Int32>) -> Int {
        let split = root[node]
        return 2 &* node &- isGreater(keys[Int(split.offset)], split.threshold)
    }

    /// -1 or 0, from the difference's sign: a comparison would become a branch that is mispredicted every other time.
    @inline(__always)
    private static func isGreater(_ key: Int32, _ threshold: Int32) -> Int {
        (Int(threshold) &- Int(key)) &>> 63
    }

    /// The nodes of the third level that four points side by side come to.
    @inline(__always)
    private static func thirdLevel(_ root: UnsafePointer<Node>, _ keys: UnsafePointer<Int32>) -> SIMD4<Int32> {
        let first = areGreater(root[1], keys)
        let second = chosen(first, areGreater(root[2], keys), areGreater(root[3], keys))
        let low = chosen(second, areGreater(root[4], keys), areGreater(root[5], keys))
        let high = chosen(second, areGreater(root[6], keys), areGreater(root[7], keys))
        return 8 &- (first &<< 2) &- (second &<< 1) &- chosen(first, low, high)
    }

    /// -1 where the value is greater than the node's threshold, 0 elsewhere.
    @inline(__always)
    private static func areGreater(_ node: Node, _ keys: UnsafePointer<Int32>) -> SIMD4<Int32> {
        let values = UnsafeRawPointer(keys + Int(node.offset)).loadUnaligned(as: SIMD4<Int32>.self)
        return SIMD4<Int32>.zero.replacing(with: -1, where: values .> node.threshold)
    }

    /// `set` where the mask's bits are set, `clear` elsewhere.
    @inline(__always)
    private static func chosen(
        _ mask: SIMD4<Int32>, _ clear: SIMD4<Int32>, _ set: SIMD4<Int32>
    ) -> SIMD4<Int32> { clear ^ (mask & (clear ^ set)) }
}
