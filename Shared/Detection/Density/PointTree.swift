/// A kd-tree (Bentley 1975) over rows, with the box of each node's points. Nodes are halves of halves, so that they stand
/// in an array as a heap does; leaves hold 8 to 16 points, each leaf column by column, for distances in vectors.
///
/// Distances are Euclidean, squared, summed in the columns' order in doubles: as scikit-learn sums them, so that points
/// at just the radius are told alike. It prunes less the more columns there are, and above 20 or so compares most pairs.
struct PointTree {
    static let leafMax = 16

    let columns: Int
    let count: Int
    /// Levels of nodes above the leaves.
    let depth: Int
    /// Row of each position; leaves own runs of positions.
    private(set) var rows: [Int32]
    /// Where each leaf's positions start, and the end of the last.
    private(set) var leafStarts: [Int]
    /// Per leaf `columns` × `leafMax`, padded by infinity.
    private(set) var leafValues: [Double]
    /// Per node from 1 (`1 << (depth + 1)` of them), `columns` least values, then `columns` greatest.
    private(set) var boxes: [Double]

    var leafCount: Int { 1 << depth }
    func positions(ofLeaf leaf: Int) -> Range<Int> { leafStarts[leaf]..<leafStarts[leaf + 1] }

    /// - Precondition: `values` are `count` × `columns` finite values, row by row, `count` at least 1.
    init(_ values: [Float], columns: Int) {
        precondition(columns >= 1 && !values.isEmpty && values.count % columns == 0)
        self.columns = columns
        count = values.count / columns
        var depth = 0
        while count > Self.leafMax << depth { depth += 1 }
        self.depth = depth
        rows = (0..<Int32(count)).map { $0 }
        boxes = [Double](repeating: 0, count: (2 << depth) * 2 * columns)
        leafStarts = [Int](repeating: count, count: (1 << depth) + 1)
        leafValues = [Double](repeating: .infinity, count: (1 << depth) * columns * Self.leafMax)
        build(node: 1, level: 0, range: 0..<count, values)
    }

    private mutating func build(node: Int, level: Int, range: Range<Int>, _ values: [Float]) {
        var widest = (column: 0, width: -Double.infinity)
        for column in 0..<columns {
            var least = Float.infinity
            var greatest = -Float.infinity
            for position in range {
                let value = values[Int(rows[position]) * columns + column]
                least = min(least, value)
                greatest = max(greatest, value)
            }
            boxes[node * 2 * columns + column] = Double(least)
            boxes[node * 2 * columns + columns + column] = Double(greatest)
            let width = Double(greatest) - Double(least)
            if width > widest.width { widest = (column, width) }
        }
        guard level < depth else {
            let leaf = node - (1 << depth)
            leafStarts[leaf] = range.lowerBound
            for (slot, position) in range.enumerated() {
                for column in 0..<columns {
                    let value = values[Int(rows[position]) * columns + column]
                    leafValues[(leaf * columns + column) * Self.leafMax + slot] = Double(value)
                }
            }
            return
        }
        let middle = range.lowerBound + (range.count + 1) / 2
        part(range, at: middle, column: widest.column, values)
        build(node: 2 * node, level: level + 1, range: range.lowerBound..<middle, values)
        build(node: 2 * node + 1, level: level + 1, range: middle..<range.upperBound, values)
    }

    /// Selection: brings what is less in the column before the position, what is greater behind.
    private mutating func part(_ range: Range<Int>, at position: Int, column: Int, _ values: [Float]) {
        var low = range.lowerBound
        var high = range.upperBound - 1
        while low < high {
            let pivot = values[Int(rows[(low + high) / 2]) * columns + column]
            var left = low
            var right = high
            while left <= right {
                while values[Int(rows[left]) * columns + column] < pivot { left += 1 }
                while values[Int(rows[right]) * columns + column] > pivot { right -= 1 }
                guard left <= right else { break }
                rows.swapAt(left, right)
                left += 1
                right -= 1
            }
            if position <= right {
                high = right
            } else if position >= left {
                low = left
            } else {
                return
            }
        }
    }
}
