/// The body of a forest, in `ModelBytes`'s frame under the magic `SBIF`, version 1, little endian:
///
///     size  what
///     1     kind: 0 cuts along axes, 1 hyperplanes
///     2     columns, 1...256
///     2     trees, 1...1000
///     2     points per tree (ψ), 1...4096
///     1     levels, 0...12
///
/// then each tree's nodes, a node before its left and its right subtree, of kind 0
///
///     2     column of the split, below `columns`; 65535 for a leaf
///     4     a split's threshold as a float, finite         or  8     a leaf's path length as a double, 0...64
///
/// and of kind 1
///
///     1     1 for a split, 0 for a leaf
///     4     offset, then 4 per column: the normal          or  8     a leaf's path length
///
/// A split on the last level is damage.
extension IsolationForest {
    private static let magic: StaticString = "SBIF"
    private static let version: UInt8 = 1
    private static let leaf: UInt16 = .max
    private static let pathMax = 64.0

    package var bytes: [UInt8] {
        let perNode =
            switch trees {
            case .axis: 8
            case .hyperplane: 5 + 4 * columns
            }
        return ModelBytes.framed(
            magic: Self.magic, version: Self.version, bodyBytes: treeCount * sampleCount * perNode * 2
        ) { writer in
            writer.write(UInt8(isHyperplane ? 1 : 0))
            writer.write(UInt16(columns))
            writer.write(UInt16(treeCount))
            writer.write(UInt16(sampleCount))
            writer.write(UInt8(depth))
            for tree in 0..<treeCount { write(tree, to: &writer) }
        }
    }

    private var isHyperplane: Bool {
        if case .hyperplane = trees { true } else { false }
    }
    private var depth: Int {
        switch trees {
        case .axis(let trees): trees.depth
        case .hyperplane(let trees): trees.depth
        }
    }

    private func write(_ tree: Int, to writer: inout ByteWriter) {
        let depth = depth
        var open: [(node: Int, level: Int)] = [(1, 0)]
        while let (node, level) = open.popLast() {
            let leaf = (node << (depth - level)) - (1 << depth)
            let isSplit =
                switch trees {
                case .axis(let trees): trees.write(tree: tree, node: node, level: level, leaf: leaf, to: &writer)
                case .hyperplane(let trees): trees.write(tree: tree, node: node, level: level, leaf: leaf, to: &writer)
                }
            guard isSplit else { continue }
            open.append((2 * node + 1, level + 1))
            open.append((2 * node, level + 1))
        }
    }

    /// - Throws: `damaged`, `version`.
    package init(bytes: [UInt8]) throws(DetectionError) {
        var reader = try ModelBytes.body(bytes, magic: Self.magic, version: Self.version)
        let kind = try reader.uint8()
        let columns = Int(try reader.uint16())
        let treeCount = Int(try reader.uint16())
        let sampleCount = Int(try reader.uint16())
        let depth = Int(try reader.uint8())
        guard kind <= 1 else { throw .damaged("kind of cuts") }
        guard (1...Self.columnsMax).contains(columns) else { throw .damaged("columns") }
        guard (1...Self.treesMax).contains(treeCount) else { throw .damaged("trees") }
        guard (1...Self.sampleMax).contains(sampleCount) else { throw .damaged("points per tree") }
        guard depth <= AxisTrees.depthMax else { throw .damaged("levels") }
        // The least that so many trees take: a leaf each. Keeps small files from asking for much memory.
        guard reader.remaining >= treeCount * 9 else { throw .damaged("cut short") }
        let trees: Trees
        if kind == 0 {
            var axis = AxisTrees(columns: columns, depth: depth, treeCount: treeCount)
            for tree in 0..<treeCount { try axis.read(tree: tree, from: &reader) }
            trees = .axis(axis)
        } else {
            var hyperplane = HyperplaneTrees(columns: columns, depth: depth, treeCount: treeCount)
            for tree in 0..<treeCount { try hyperplane.read(tree: tree, from: &reader) }
            trees = .hyperplane(hyperplane)
        }
        try reader.finish()
        self.init(trees: trees, columns: columns, sampleCount: sampleCount)
    }

    fileprivate static func isLeaf(_ mark: UInt16) -> Bool { mark == leaf }
    fileprivate static func path(_ reader: inout ByteReader) throws(DetectionError) -> Double {
        let path = try reader.double()
        guard (0...pathMax).contains(path) else { throw .damaged("a path length") }
        return path
    }
}

extension AxisTrees {
    fileprivate func write(tree: Int, node: Int, level: Int, leaf: Int, to writer: inout ByteWriter) -> Bool {
        let start = tree << depth
        guard level < depth, nodes[start + node].isSplit else {
            writer.write(UInt16.max)
            writer.write(paths[start + leaf])
            return false
        }
        writer.write(UInt16(nodes[start + node].column))
        writer.write(Self.value(ofKey: nodes[start + node].threshold))
        return true
    }

    fileprivate mutating func read(tree: Int, from reader: inout ByteReader) throws(DetectionError) {
        var open: [(node: Int, level: Int)] = [(1, 0)]
        while let (node, level) = open.popLast() {
            let column = try reader.uint16()
            if IsolationForest.isLeaf(column) {
                end(tree: tree, node: node, level: level, path: try IsolationForest.path(&reader))
                continue
            }
            guard level < depth else { throw .damaged("a split below the last level") }
            guard Int(column) < columns else { throw .damaged("a split's column") }
            split(tree: tree, node: node, column: Int(column), threshold: try reader.float())
            open.append((2 * node + 1, level + 1))
            open.append((2 * node, level + 1))
        }
    }
}

extension HyperplaneTrees {
    fileprivate func write(tree: Int, node: Int, level: Int, leaf: Int, to writer: inout ByteWriter) -> Bool {
        let start = tree << depth
        guard level < depth, offsets[start + node] < .infinity else {
            writer.write(UInt8(0))
            writer.write(paths[start + leaf])
            return false
        }
        writer.write(UInt8(1))
        writer.write(offsets[start + node])
        for column in 0..<columns { writer.write(normals[(start + node) * columns + column]) }
        return true
    }

    fileprivate mutating func read(tree: Int, from reader: inout ByteReader) throws(DetectionError) {
        var open: [(node: Int, level: Int)] = [(1, 0)]
        var normal = [Float](repeating: 0, count: columns)
        while let (node, level) = open.popLast() {
            let kind = try reader.uint8()
            guard kind <= 1 else { throw .damaged("a node's kind") }
            if kind == 0 {
                end(tree: tree, node: node, level: level, path: try IsolationForest.path(&reader))
                continue
            }
            guard level < depth else { throw .damaged("a split below the last level") }
            let offset = try reader.float()
            for column in 0..<columns { normal[column] = try reader.float() }
            split(tree: tree, node: node, normal: normal, offset: offset)
            open.append((2 * node + 1, level + 1))
            open.append((2 * node, level + 1))
        }
    }
}
