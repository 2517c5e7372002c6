/// What is known of the rows of a file (a disk, a device, a processor), found by the row's key bytes.
///
/// Rows rarely change their order, so a row is first looked for where it stood the last time: the steady state
/// is one comparison per row. Bounded by ``capacity``; rows beyond it are not collected and counted. Once most rows are of
/// things that went away (devices of containers), all are forgotten and made again as they appear.
struct RowCache<Row> {
    static var capacity: Int { 4096 }
    private var keys: [[UInt8]] = []
    private var rows: [Row] = []
    private(set) var refused: UInt64 = 0
    private var expected = 0
    /// Rows found since the last ``rewind()``.
    private var found = 0
    /// Rows of things that went away which are kept beside as many as there are.
    static var sparesMax: Int { 64 }

    /// Call before the first row of each collection.
    @inline(__always)
    mutating func rewind() {
        if found > 0, keys.count > 2 * found + Self.sparesMax { removeAll() }
        expected = 0
        found = 0
    }

    /// The row with this key, made at its first appearance; nil at the bound.
    @inline(__always)
    mutating func row(_ key: Bytes, make: (String) -> Row) -> Row? { index(key, make: make).map { rows[$0] } }

    /// Where the row with this key stands, for rows that carry state.
    @inline(__always)
    mutating func index(_ key: Bytes, make: (String) -> Row) -> Int? {
        found += 1
        if expected < keys.count, key.equals(keys[expected]) {
            expected += 1
            return expected - 1
        }
        guard let index = find(key, make: make) else { return nil }
        expected = index + 1
        return index
    }

    /// - Precondition: `index` came from ``index(_:make:)`` since the last ``removeAll()``.
    subscript(index: Int) -> Row {
        @inline(__always) get { rows[index] }
        @inline(__always) _modify { yield &rows[index] }
    }

    @inline(never)
    private mutating func find(_ key: Bytes, make: (String) -> Row) -> Int? {
        if let index = keys.firstIndex(where: { key.equals($0) }) { return index }
        guard keys.count < Self.capacity else {
            refused &+= 1
            return nil
        }
        keys.append(Array(key))
        rows.append(make(key.text))
        return keys.count - 1
    }

    /// Forgets everything, so that each row is made again.
    mutating func removeAll() {
        keys = []
        rows = []
        expected = 0
    }
}
