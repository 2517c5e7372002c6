/// Binary trees that ask one column at a time, all padded to one depth: node `i` of a tree has its children at `2i` and
/// `2i + 1` (the root is 1), so that walking needs no pointers, no test for leaves and no branch. A leaf above the last
/// level is a chain of nodes that always send left.
///
/// Thresholds are kept as integers that sort like the floats they stand for: comparing those takes a third of the time.
struct AxisTrees: Sendable {
    /// 8 bytes. A value goes right if its key is greater.
    struct Node: Sendable {
        var threshold: Int32
        /// Column × `blockRows`: where the column starts in a block of points.
        var offset: UInt32

        static let alwaysLeft = Node(threshold: .max, offset: 0)
        var isSplit: Bool { threshold != .max }
        var column: Int { Int(offset) / AxisTrees.blockRows }
    }

    /// Points walk through a tree together, column by column; a block of five columns takes 5 KB, a tree of depth 8
    /// takes 4 KB: all stay in the first-level cache.
    static let blockRows = 256
    static let depthMax = 12
    /// Levels that are asked in vectors; lower trees are padded.
    static let depthMin = 3

    let columns: Int
    let depth: Int
    let treeCount: Int
    /// `treeCount << depth`; the first of each tree is not used.
    private(set) var nodes: [Node]
    /// `treeCount << depth` path lengths, left to right.
    private(set) var paths: [Double]

    /// Trees that send everything left.
    init(columns: Int, depth: Int, treeCount: Int) {
        let depth = max(depth, Self.depthMin)
        precondition(depth <= Self.depthMax && columns <= IsolationForest.columnsMax)
        self.columns = columns
        self.depth = depth
        self.treeCount = treeCount
        nodes = [Node](repeating: .alwaysLeft, count: treeCount << depth)
        paths = [Double](repeating: 0, count: treeCount << depth)
    }

    /// The float's bits, so that they compare as signed integers as the floats do; -0 is 0.
    @inline(__always)
    static func key(_ value: Float) -> Int32 {
        let bits = Int32(bitPattern: (value + 0).bitPattern)
        return bits ^ ((bits >> 31) & .max)
    }
    static func value(ofKey key: Int32) -> Float {
        Float(bitPattern: UInt32(bitPattern: key ^ ((key >> 31) & .max)))
    }

    /// - Parameter node: 1 for the root.
    mutating func split(tree: Int, node: Int, column: Int, threshold: Float) {
        precondition(node >= 1 && node < 1 << depth && column < columns)
        nodes[(tree << depth) + node] = Node(
            threshold: Self.key(threshold), offset: UInt32(column * Self.blockRows))
    }
    /// - Parameter level: of the node, 0 for the root.
    mutating func end(tree: Int, node: Int, level: Int, path: Double) {
        let under = depth - level
        let first = (node << under) - (1 << depth)
        let end = first + (1 << under)
        precondition(first >= 0 && end <= 1 << depth)
        for leaf in first..<end { paths[(tree << depth) + leaf] = path }
    }
}
