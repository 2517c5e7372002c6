/// A label as two symbols.
struct PackedLabel: Hashable, Sendable {
    let name: UInt32
    let value: UInt32
}
