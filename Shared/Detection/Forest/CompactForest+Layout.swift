import Glibc

extension CompactForest {
    /// A column's median and deviation, and the 12-bit code of values by them.
    struct Measure: Sendable {
        var centre: Float
        var deviation: Float

        static let codeMax: Int16 = 2046
        /// Codes per unit of asinh: a million deviations come to the last code.
        static let codesPerUnit = Double(codeMax) / 14.508_657_738_524_22

        init(centre: Float, deviation: Float) {
            self.centre = centre
            self.deviation = deviation
        }

        /// The deviation is 1.4826 × the median distance from the median; where more than half of the values are the
        /// same, the mean distance; 1 if all are.
        init(of values: [Float]) {
            var scratch = values
            let spread = Robust.spread(of: &scratch)
            centre = spread?.median ?? 0
            deviation = spread?.deviation ?? 0
            if !(deviation > 0 && deviation.isFinite) {
                let total = values.reduce(0.0) { $0 + abs(Double($1) - Double(centre)) }
                deviation = Float(total / Double(max(1, values.count)))
            }
            if !(deviation > 0 && deviation.isFinite) { deviation = 1 }
        }

        /// -2046...2046, growing with the value.
        /// - Precondition: the value is finite.
        func code(of value: Float) -> Int16 {
            let code = asinh((Double(value) - Double(centre)) / Double(deviation)) * Self.codesPerUnit
            return Int16(max(-Double(Self.codeMax), min(Double(Self.codeMax), code.rounded(.down))))
        }
    }

    /// Where things stand in a forest's storage, little endian:
    ///
    ///     columns × 8 B            centre and deviation, floats; the deviation is above 0
    ///     trees × (2^levels - 1) × 2 B   nodes from the root, level by level: the threshold's code + 2048 in the upper
    ///                              12 bits, the column in the lower 4. 0xfff0 sends everything left
    ///     trees × 2^levels B       path lengths from left to right, in steps of (levels + c(ψ)) / 255
    struct Layout: Equatable, Sendable {
        private let columnsByte: UInt8
        private let treesByte: UInt8
        private let samplesLess1: UInt8
        private let depthByte: UInt8

        static let alwaysLeft: UInt16 = 0xfff0

        init(columns: Int, treeCount: Int, sampleCount: Int) {
            precondition((1...CompactForest.columnsMax).contains(columns) && (1...255).contains(treeCount))
            precondition((1...CompactForest.sampleMax).contains(sampleCount))
            columnsByte = UInt8(columns)
            treesByte = UInt8(treeCount)
            samplesLess1 = UInt8(sampleCount - 1)
            depthByte = UInt8(PathLength.heightLimit(sampleCount))
        }

        var columns: Int { Int(columnsByte) }
        var treeCount: Int { Int(treesByte) }
        var sampleCount: Int { Int(samplesLess1) + 1 }
        var depth: Int { Int(depthByte) }
        var averagePath: Double { PathLength.average(sampleCount) }
        var pathStep: Double { (Double(depth) + averagePath) / 255 }

        private var splitsPerTree: Int { (1 << depth) - 1 }
        private var nodesOffset: Int { columns * 8 }
        private var pathsOffset: Int { nodesOffset + treeCount * splitsPerTree * 2 }
        var sizeBytes: Int { pathsOffset + (treeCount << depth) }

        /// - Precondition: `node` is 1..<2^depth.
        private func nodeOffset(tree: Int, node: Int) -> Int { nodesOffset + (tree * splitsPerTree + node - 1) * 2 }
        func pathOffset(tree: Int, leaf: Int) -> Int { pathsOffset + (tree << depth) + leaf }

        func measure(_ column: Int, in storage: [UInt8]) -> Measure {
            Measure(
                centre: Float(bitPattern: Self.word(storage, at: column * 8)),
                deviation: Float(bitPattern: Self.word(storage, at: column * 8 + 4)))
        }
        func store(_ measure: Measure, column: Int, in storage: inout [UInt8]) {
            for (index, value) in [measure.centre, measure.deviation].enumerated() {
                for byte in 0..<4 {
                    storage[column * 8 + index * 4 + byte] = UInt8(
                        truncatingIfNeeded: value.bitPattern >> UInt32(8 * byte))
                }
            }
        }

        func node(tree: Int, node: Int, in storage: [UInt8]) -> UInt16 {
            let offset = nodeOffset(tree: tree, node: node)
            return UInt16(storage[offset]) | UInt16(storage[offset + 1]) << 8
        }
        @inline(__always)
        func split(tree: Int, node: Int, in storage: [UInt8]) -> (column: Int, threshold: Int16) {
            let packed = self.node(tree: tree, node: node, in: storage)
            return (Int(packed & 15), Int16(packed >> 4) - 2048)
        }
        func store(tree: Int, node: Int, column: Int, threshold: Int16, in storage: inout [UInt8]) {
            store(UInt16(threshold + 2048) << 4 | UInt16(column), tree: tree, node: node, in: &storage)
        }
        private func store(_ packed: UInt16, tree: Int, node: Int, in storage: inout [UInt8]) {
            let offset = nodeOffset(tree: tree, node: node)
            storage[offset] = UInt8(truncatingIfNeeded: packed)
            storage[offset + 1] = UInt8(packed >> 8)
        }

        /// Ends a branch: all nodes below send left, and all paths below are the same.
        func end(tree: Int, node: Int, level: Int, path: Double, in storage: inout [UInt8]) {
            let step = pathStep
            let code = step > 0 ? UInt8(min(255, (path / step).rounded())) : 0
            for below in 0...(depth - level) {
                let first = node << below
                for index in first..<first + (1 << below) {
                    if level + below < depth {
                        store(Self.alwaysLeft, tree: tree, node: index, in: &storage)
                    } else {
                        storage[pathOffset(tree: tree, leaf: index - (1 << depth))] = code
                    }
                }
            }
        }

        private static func word(_ storage: [UInt8], at offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(storage[offset + $1]) << UInt32(8 * $1) }
        }
    }
}
