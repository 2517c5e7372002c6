/// Squared distances of one point to a leaf's points, in two halves; infinity where the leaf has none.
struct LeafDistances {
    var low: SIMD8<Double>
    var high: SIMD8<Double>

    subscript(slot: Int) -> Double { slot < 8 ? low[slot] : high[slot - 8] }

    /// A bit for each slot that is within the squared distance.
    @inline(__always)
    func slots(within limit: Double) -> UInt32 {
        let bits: SIMD8<Int64> = [1, 2, 4, 8, 16, 32, 64, 128]
        let found =
            SIMD8<Int64>.zero.replacing(with: bits, where: low .<= limit)
            | SIMD8<Int64>.zero.replacing(with: bits &<< 8, where: high .<= limit)
        return UInt32(truncatingIfNeeded: found.wrappedSum())
    }
}

extension PointTree {
    /// - Parameters:
    ///   - leafValues: the tree's, or as many of them with points taken out (infinity in their place).
    ///   - point: one value per column, `leafMax` apart: a slot of a leaf's values.
    @inline(__always)
    func distances(
        toLeaf leaf: Int, of leafValues: UnsafePointer<Double>, from point: UnsafePointer<Double>
    ) -> LeafDistances {
        var distances = LeafDistances(low: .zero, high: .zero)
        var values = UnsafeRawPointer(leafValues + leaf * columns * Self.leafMax)
        for column in 0..<columns {
            let value = point[column * Self.leafMax]
            let low = values.loadUnaligned(as: SIMD8<Double>.self) - value
            let high = values.loadUnaligned(fromByteOffset: 64, as: SIMD8<Double>.self) - value
            distances.low += low * low
            distances.high += high * high
            values += Self.leafMax * 8
        }
        return distances
    }

    /// Least squared distance of the point to a node's box, not above that to any of its points, rounding included: each
    /// of its steps is monotone, and they are the same.
    @inline(__always)
    func boxDistance(_ node: Int, from point: UnsafePointer<Double>, _ boxes: UnsafePointer<Double>) -> Double {
        let box = boxes + node * 2 * columns
        var sum = 0.0
        for column in 0..<columns {
            let value = point[column * Self.leafMax]
            let gap = max(max(box[column] - value, value - box[columns + column]), 0)
            sum += gap * gap
        }
        return sum
    }

    /// Whether two nodes' boxes are within the squared distance.
    private func areNear(_ first: Int, _ second: Int, _ limit: Double, _ boxes: UnsafePointer<Double>) -> Bool {
        let one = boxes + first * 2 * columns
        let other = boxes + second * 2 * columns
        var sum = 0.0
        for column in 0..<columns {
            let gap = max(max(one[column] - other[columns + column], other[column] - one[columns + column]), 0)
            sum += gap * gap
            if sum > limit { return false }
        }
        return true
    }

    /// Squared length of a node's box from corner to corner: not below the distance of any two of its points.
    func diagonal(_ node: Int) -> Double {
        var sum = 0.0
        for column in 0..<columns {
            let width = boxes[node * 2 * columns + columns + column] - boxes[node * 2 * columns + column]
            sum += width * width
        }
        return sum
    }

    /// Leaves from `first` on whose boxes are within the squared distance of a leaf's box, in ascending order; itself
    /// among them.
    func leaves(near leaf: Int, within limit: Double, from first: Int = 0, into found: inout [Int]) {
        found.removeAll(keepingCapacity: true)
        let firstLeaf = 1 << depth
        boxes.withUnsafeBufferPointer { boxes in
            guard let boxes = boxes.baseAddress else { return }
            var node = 1
            var level = 0
            // A walk over the heap without a stack: down to the left while near, else up to the next right neighbour.
            while true {
                let lastLeaf = ((node + 1) << (depth - level)) - 1 - firstLeaf
                if lastLeaf >= first, areNear(node, firstLeaf + leaf, limit, boxes) {
                    if node < firstLeaf {
                        node *= 2
                        level += 1
                        continue
                    }
                    found.append(node - firstLeaf)
                }
                while node & 1 == 1, node > 1 {
                    node /= 2
                    level -= 1
                }
                guard node > 1 else { return }
                node += 1
            }
        }
    }

    /// Squared distance of a point to its `rank`-th nearest point (the first is itself or one at its place).
    /// - Parameter nearest: scratch.
    func distance(toNearest rank: Int, of point: UnsafePointer<Double>, _ nearest: inout [Double]) -> Double {
        nearest.removeAll(keepingCapacity: true)
        boxes.withUnsafeBufferPointer { boxes in
            leafValues.withUnsafeBufferPointer { values in
                guard let boxes = boxes.baseAddress, let values = values.baseAddress else { return }
                search(1, rank, point, boxes, values, &nearest)
            }
        }
        return nearest.last ?? .infinity
    }

    private func search(
        _ node: Int, _ rank: Int, _ point: UnsafePointer<Double>, _ boxes: UnsafePointer<Double>,
        _ values: UnsafePointer<Double>, _ nearest: inout [Double]
    ) {
        if nearest.count == rank, let worst = nearest.last, boxDistance(node, from: point, boxes) >= worst { return }
        guard node < 1 << depth else {
            let leaf = node - (1 << depth)
            let distances = distances(toLeaf: leaf, of: values, from: point)
            for slot in 0..<positions(ofLeaf: leaf).count { keep(distances[slot], rank, &nearest) }
            return
        }
        let isLeftNearer = boxDistance(2 * node, from: point, boxes) <= boxDistance(2 * node + 1, from: point, boxes)
        search(isLeftNearer ? 2 * node : 2 * node + 1, rank, point, boxes, values, &nearest)
        search(isLeftNearer ? 2 * node + 1 : 2 * node, rank, point, boxes, values, &nearest)
    }

    /// Keeps the least `rank` distances in order.
    private func keep(_ distance: Double, _ rank: Int, _ nearest: inout [Double]) {
        if nearest.count == rank {
            guard let worst = nearest.last, distance < worst else { return }
            nearest.removeLast()
        }
        var index = nearest.count
        nearest.append(distance)
        while index > 0, nearest[index - 1] > distance {
            nearest[index] = nearest[index - 1]
            index -= 1
        }
        nearest[index] = distance
    }
}
