/// The body of a compact forest, in `ModelBytes`'s frame under the magic `SBCF`, version 1:
///
///     size  what
///     1     columns, 1...16
///     1     trees, 1...255
///     1     points per tree, less 1
///     rest  storage, as `CompactForest.Layout` has it
extension CompactForest {
    private static let magic: StaticString = "SBCF"
    private static let version: UInt8 = 1

    package var bytes: [UInt8] {
        ModelBytes.framed(magic: Self.magic, version: Self.version, bodyBytes: storage.count + 3) { writer in
            writer.write(UInt8(columns))
            writer.write(UInt8(treeCount))
            writer.write(UInt8(sampleCount - 1))
            writer.bytes.append(contentsOf: storage)
        }
    }

    /// - Throws: `damaged`, `version`.
    package init(bytes: [UInt8]) throws(DetectionError) {
        var reader = try ModelBytes.body(bytes, magic: Self.magic, version: Self.version)
        let columns = Int(try reader.uint8())
        let treeCount = Int(try reader.uint8())
        let sampleCount = Int(try reader.uint8()) + 1
        guard (1...Self.columnsMax).contains(columns) else { throw .damaged("columns") }
        guard treeCount >= 1 else { throw .damaged("trees") }
        let layout = Layout(columns: columns, treeCount: treeCount, sampleCount: sampleCount)
        let storage = Array(try reader.slice(layout.sizeBytes))
        try reader.finish()
        for column in 0..<columns {
            let measure = layout.measure(column, in: storage)
            guard measure.centre.isFinite, measure.deviation.isFinite, measure.deviation > 0 else {
                throw .damaged("a column's measure")
            }
        }
        for tree in 0..<treeCount {
            for node in 1..<(1 << layout.depth) {
                guard layout.split(tree: tree, node: node, in: storage).column < columns else {
                    throw .damaged("a split's column")
                }
            }
        }
        self.init(layout: layout, storage: storage)
    }
}
