/// When each series' counter started: zigzag base, then runs that cover all series, each a varint code
/// and a varint length minus one. Code 0 is unknown (0 milliseconds), code `c` the base plus unzigzag(`c` - 1).
enum StartTimestampColumn {
    static func write(_ starts: [Int64], to column: inout ByteColumn) {
        let base = starts.first { $0 != 0 } ?? 0
        column.append(zigzag: base)
        var index = 0
        while index < starts.count {
            var length = 1
            while index + length < starts.count, starts[index + length] == starts[index] { length += 1 }
            let offset = ByteColumn.zigzag(starts[index] &- base)
            // The one offset without a successor stands for no real start and is written as unknown.
            column.append(varint: starts[index] == 0 || offset == .max ? 0 : offset + 1)
            column.append(varint: UInt64(length - 1))
            index += length
        }
    }

    /// Replaces the content of `starts`.
    static func read(_ cursor: inout ColumnCursor, count: Int, into starts: inout [Int64]) throws(WireError) {
        starts.removeAll(keepingCapacity: true)
        starts.reserveCapacity(count)
        let base = cursor.zigzag()
        while starts.count < count {
            let code = cursor.varint()
            let excess = cursor.varint()
            guard cursor.isValid, excess < UInt64(count - starts.count) else { throw .invalid("start timestamps") }
            let raw = code &- 1
            let start = code == 0 ? 0 : base &+ (Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1))
            starts.append(contentsOf: repeatElement(start, count: Int(excess) + 1))
        }
    }
}
