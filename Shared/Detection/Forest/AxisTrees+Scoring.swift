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
    /// - Precondition: `keys` holds `columns` × `blockRows` keys, column by column; `sums` and `places` have room for
    ///   `blockRows`, and `count` is at most that.
    func addPaths(
        _ keys: UnsafePointer<Int32>, count: Int, to sums: UnsafeMutablePointer<Double>,
        _ places: UnsafeMutablePointer<UInt32>
    ) {
        nodes.withUnsafeBufferPointer { nodes in
            paths.withUnsafeBufferPointer { paths in
                guard let nodes = nodes.baseAddress, let paths = paths.baseAddress else { return }
                for tree in 0..<treeCount {
                    let start = tree &<< depth
                    walk(nodes + start, paths + start, keys, count: count, sums, places)
                }
            }
        }
    }

    /// All points go a level down before any goes the next: each step waits for two loads, and with the block's other
    /// points between one point's steps there is always something to do. The first three levels are asked for four
    /// points at once, in vectors.
    @inline(__always)
    private func walk(
        _ root: UnsafePointer<Node>, _ paths: UnsafePointer<Double>, _ keys: UnsafePointer<Int32>, count: Int,
        _ sums: UnsafeMutablePointer<Double>, _ places: UnsafeMutablePointer<UInt32>
    ) {
        let top = Top(root)
        var point = 0
        while point < count {
            UnsafeMutableRawPointer(places + point).storeBytes(
                of: top.thirdLevel(keys + point), as: SIMD4<UInt32>.self)
            point &+= 4
        }
        for _ in Self.depthMin..<depth {
            point = 0
            while point < count {
                let (places, keys) = (places + point, keys + point)
                places[0] = Self.step(root, places[0], keys)
                places[1] = Self.step(root, places[1], keys + 1)
                places[2] = Self.step(root, places[2], keys + 2)
                places[3] = Self.step(root, places[3], keys + 3)
                point &+= 4
            }
        }
        let leaves = paths - (1 &<< depth)
        for point in 0..<count { sums[point] += leaves[Int(places[point])] }
    }

    @inline(__always)
    private static func step(
        _ root: UnsafePointer<Node>, _ place: UInt32, _ keys: UnsafePointer<Int32>
    ) -> UInt32 {
        UInt32(truncatingIfNeeded: step(root, Int(place), keys))
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

    /// The nodes of the first three levels; by value, since writing places could change what a pointer shows.
    private struct Top {
        private let nodes: (Node, Node, Node, Node, Node, Node, Node)

        @inline(__always)
        init(_ root: UnsafePointer<Node>) {
            nodes = (root[1], root[2], root[3], root[4], root[5], root[6], root[7])
        }

        /// The nodes of the third level that four points side by side come to.
        @inline(__always)
        func thirdLevel(_ keys: UnsafePointer<Int32>) -> SIMD4<UInt32> {
            let first = Self.areGreater(nodes.0, keys)
            let second = Self.chosen(first, Self.areGreater(nodes.1, keys), Self.areGreater(nodes.2, keys))
            let low = Self.chosen(second, Self.areGreater(nodes.3, keys), Self.areGreater(nodes.4, keys))
            let high = Self.chosen(second, Self.areGreater(nodes.5, keys), Self.areGreater(nodes.6, keys))
            let places = 8 &- (first &<< 2) &- (second &<< 1) &- Self.chosen(first, low, high)
            return SIMD4(truncatingIfNeeded: places)
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
}
