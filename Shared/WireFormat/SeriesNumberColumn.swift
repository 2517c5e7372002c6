/// Strictly increasing series numbers as runs: varint count, then pairs of varints, the gap since the
/// number that would continue the run before and the run's length minus one. A dense range takes one pair.
enum SeriesNumberColumn {
    static func write(_ numbers: UnsafeBufferPointer<UInt64>, to column: inout ByteColumn) throws(WireError) {
        column.append(varint: UInt64(numbers.count))
        var expected: UInt64 = 0
        var index = 0
        while index < numbers.count {
            let start = numbers[index]
            guard start >= expected, start < 1 << 62 else { throw .invalid("series numbers") }
            var length = 1
            while index + length < numbers.count, numbers[index + length] == start + UInt64(length) { length += 1 }
            column.append(varint: start - expected)
            column.append(varint: UInt64(length - 1))
            expected = start + UInt64(length)
            index += length
        }
    }

    /// Replaces the content of `numbers`.
    /// - Parameter limit: numbers are below it.
    static func read<Number: FixedWidthInteger>(
        _ cursor: inout ColumnCursor, countMax: Int, limit: UInt64, into numbers: inout [Number]
    ) throws(WireError) {
        numbers.removeAll(keepingCapacity: true)
        let count = cursor.count(max: countMax)
        guard cursor.isValid, count > 0 else { throw .invalid("series count") }
        numbers.reserveCapacity(count)
        var expected: UInt64 = 0
        while numbers.count < count {
            let gap = cursor.varint()
            let excess = cursor.varint()
            guard cursor.isValid, gap < limit, expected + gap < limit, excess < UInt64(count - numbers.count),
                expected + gap + excess < limit
            else { throw .invalid("series numbers") }
            let start = expected + gap
            for number in start...(start + excess) { numbers.append(Number(truncatingIfNeeded: number)) }
            expected = start + excess + 1
        }
    }
}
