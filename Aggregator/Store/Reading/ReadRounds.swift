/// Reading what compaction changes meanwhile: from the start again when a part is gone, a bounded number of times.
package enum ReadRounds {
    package static let countMax = 8

    /// - Parameter visit: one round; false when a part was gone.
    /// - Throws: ``StoreError`` `busy` when a part was gone in every round; what `visit` throws.
    package static func run(_ visit: () throws -> Bool) throws {
        for _ in 0..<countMax where try visit() { return }
        throw StoreError(.busy, "what is read was moved \(countMax) times meanwhile; ask again")
    }
}
