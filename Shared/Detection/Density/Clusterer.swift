/// DBSCAN over a tree of points, leaf against leaf: the leaves near a leaf are looked up once for its 8 to 16 points,
/// counting stops once a point is known to be core, and leaves whose core points are known to belong together are not
/// compared again. No list of neighbours is ever built.
struct Clusterer {
    private let tree: PointTree
    /// The radius, squared.
    private let limit: Double
    private let neighbours: Int
    /// By position in the tree.
    private var isCore: [Bool]
    /// Union-find: a position nearer to the root of its cluster, or itself.
    private var parents: [Int32]
    /// The tree's leaf values with infinity in place of what is not core.
    private var coreValues: [Double]
    private var near: [Int] = []
    /// Per leaf, whether its core points are known to be of one cluster.
    private var isUniform: [Bool]
    /// Per leaf its first core position, or -1.
    private var firstCore: [Int]

    init(tree: PointTree, limit: Double, neighbours: Int) {
        self.tree = tree
        self.limit = limit
        self.neighbours = neighbours
        isCore = [Bool](repeating: false, count: tree.count)
        parents = (0..<Int32(tree.count)).map { $0 }
        coreValues = tree.leafValues
        isUniform = [Bool](repeating: false, count: tree.leafCount)
        firstCore = [Int](repeating: -1, count: tree.leafCount)
    }

    private func slotOffset(_ leaf: Int, _ slot: Int) -> Int { leaf * tree.columns * PointTree.leafMax + slot }
    private func leafNode(_ leaf: Int) -> Int { tree.leafCount + leaf }

    // MARK: core points

    mutating func markCores() {
        for leaf in 0..<tree.leafCount {
            let positions = tree.positions(ofLeaf: leaf)
            if positions.count >= neighbours, tree.diagonal(leafNode(leaf)) <= limit {
                for position in positions { isCore[position] = true }
            } else {
                tree.leaves(near: leaf, within: limit, into: &near)
                // The own leaf first: it often is enough.
                if let own = near.firstIndex(of: leaf) { near.swapAt(0, own) }
                for (slot, position) in positions.enumerated() { isCore[position] = isCorePoint(leaf, slot) }
            }
            for (slot, position) in positions.enumerated() {
                if isCore[position] {
                    if firstCore[leaf] < 0 { firstCore[leaf] = position }
                } else {
                    for column in 0..<tree.columns {
                        coreValues[slotOffset(leaf, slot) + column * PointTree.leafMax] = .infinity
                    }
                }
            }
        }
    }

    private func isCorePoint(_ leaf: Int, _ slot: Int) -> Bool {
        tree.leafValues.withUnsafeBufferPointer { values in
            tree.boxes.withUnsafeBufferPointer { boxes in
                guard let values = values.baseAddress, let boxes = boxes.baseAddress else { return false }
                let point = values + slotOffset(leaf, slot)
                var count = 0
                for other in near where tree.boxDistance(leafNode(other), from: point, boxes) <= limit {
                    count += tree.distances(toLeaf: other, of: values, from: point).slots(within: limit).nonzeroBitCount
                    if count >= neighbours { return true }
                }
                return false
            }
        }
    }

    // MARK: clusters

    private mutating func root(_ position: Int) -> Int {
        var position = position
        while Int(parents[position]) != position {
            parents[position] = parents[Int(parents[position])]
            position = Int(parents[position])
        }
        return position
    }
    private mutating func join(_ first: Int, _ second: Int) {
        let (one, other) = (root(first), root(second))
        if one < other { parents[other] = Int32(one) } else { parents[one] = Int32(other) }
    }

    mutating func joinCores() {
        for leaf in 0..<tree.leafCount where firstCore[leaf] >= 0 {
            if tree.diagonal(leafNode(leaf)) <= limit {
                for position in tree.positions(ofLeaf: leaf) where isCore[position] { join(position, firstCore[leaf]) }
            } else {
                join(leaf, with: leaf)
            }
            updateUniformity(leaf)
        }
        for leaf in 0..<tree.leafCount where firstCore[leaf] >= 0 {
            tree.leaves(near: leaf, within: limit, from: leaf + 1, into: &near)
            for other in near where firstCore[other] >= 0 { joinIfNew(leaf, other) }
        }
    }

    private mutating func updateUniformity(_ leaf: Int) {
        let first = root(firstCore[leaf])
        for position in tree.positions(ofLeaf: leaf) where isCore[position] {
            guard root(position) == first else { return }
        }
        isUniform[leaf] = true
    }

    private mutating func joinIfNew(_ leaf: Int, _ other: Int) {
        if !isUniform[leaf] { updateUniformity(leaf) }
        if !isUniform[other] { updateUniformity(other) }
        if isUniform[leaf], isUniform[other], root(firstCore[leaf]) == root(firstCore[other]) { return }
        // Against a uniform leaf, only points of other clusters need be compared.
        if isUniform[leaf] { join(other, with: leaf) } else { join(leaf, with: other) }
    }

    /// Joins the core points of two leaves (or of one) that are within the radius.
    private mutating func join(_ leaf: Int, with other: Int) {
        let first = tree.leafStarts[other]
        for (slot, position) in tree.positions(ofLeaf: leaf).enumerated() where isCore[position] {
            if isUniform[other], root(position) == root(firstCore[other]) { continue }
            var slots = cores(ofLeaf: other, near: leaf, slot)
            while slots != 0 {
                join(position, first + slots.trailingZeroBitCount)
                if isUniform[other] { break }
                slots &= slots - 1
            }
            if isUniform[leaf], isUniform[other], root(position) == root(firstCore[other]) { return }
        }
    }

    /// A bit for each slot of a leaf that holds a core point within the radius of another leaf's point.
    private func cores(ofLeaf other: Int, near leaf: Int, _ slot: Int) -> UInt32 {
        tree.leafValues.withUnsafeBufferPointer { values in
            coreValues.withUnsafeBufferPointer { cores in
                tree.boxes.withUnsafeBufferPointer { boxes in
                    guard let values = values.baseAddress, let cores = cores.baseAddress,
                        let boxes = boxes.baseAddress
                    else { return 0 }
                    let point = values + slotOffset(leaf, slot)
                    guard tree.boxDistance(leafNode(other), from: point, boxes) <= limit else { return 0 }
                    return tree.distances(toLeaf: other, of: cores, from: point).slots(within: limit)
                }
            }
        }
    }

    // MARK: labels

    /// Labels and core marks in the order of the points, and the count of clusters.
    mutating func labels() -> (labels: [Int32], isCore: [Bool], count: Int) {
        var positions = [Int](repeating: 0, count: tree.count)
        for (position, row) in tree.rows.enumerated() { positions[Int(row)] = position }
        var labels = [Int32](repeating: DBSCAN.Clustering.noise, count: tree.count)
        var labelsOfRoots = labels
        var count: Int32 = 0
        for position in positions where isCore[position] {
            let root = root(position)
            if labelsOfRoots[root] < 0 {
                labelsOfRoots[root] = count
                count += 1
            }
            labels[position] = labelsOfRoots[root]
        }
        labelBorders(&labels)
        return (positions.map { labels[$0] }, positions.map { isCore[$0] }, Int(count))
    }

    private mutating func labelBorders(_ labels: inout [Int32]) {
        let least = (0..<tree.leafCount).map { leaf in
            tree.positions(ofLeaf: leaf).reduce(Int32.max) { isCore[$1] ? min($0, labels[$1]) : $0 }
        }
        for leaf in 0..<tree.leafCount {
            let positions = tree.positions(ofLeaf: leaf)
            guard positions.contains(where: { !isCore[$0] }) else { continue }
            tree.leaves(near: leaf, within: limit, into: &near)
            near.removeAll { firstCore[$0] < 0 }
            for (slot, position) in positions.enumerated() where !isCore[position] {
                var label = Int32.max
                // A leaf whose least label is no less cannot give a lower one.
                for other in near where least[other] < label {
                    var slots = cores(ofLeaf: other, near: leaf, slot)
                    while slots != 0 {
                        label = min(label, labels[tree.leafStarts[other] + slots.trailingZeroBitCount])
                        slots &= slots - 1
                    }
                }
                if label < .max { labels[position] = label }
            }
        }
    }
}
