/// Strictly increasing milliseconds: varint count, zigzag first, varint first difference, then zigzag
/// differences of differences.
enum TimestampColumn {
    static let countMax = 65_536

    /// - Throws: ``WireError/invalid(_:)`` unless 1...``countMax`` timestamps increase strictly.
    static func write(_ timestamps: UnsafeBufferPointer<Int64>, to column: inout ByteColumn) throws(WireError) {
        guard !timestamps.isEmpty, timestamps.count <= countMax else { throw .invalid("timestamp count") }
        column.append(varint: UInt64(timestamps.count))
        column.append(zigzag: timestamps[0])
        var slope: Int64 = 0
        for index in 1..<timestamps.count {
            let (difference, overflow) = timestamps[index].subtractingReportingOverflow(timestamps[index - 1])
            guard difference > 0, !overflow else { throw .invalid("timestamps") }
            if index == 1 {
                column.append(varint: UInt64(difference))
            } else {
                column.append(zigzag: difference - slope)
            }
            slope = difference
        }
    }

    /// Replaces the content of `timestamps`.
    static func read(_ cursor: inout ColumnCursor, into timestamps: inout [Int64]) throws(WireError) {
        timestamps.removeAll(keepingCapacity: true)
        let count = cursor.count(max: countMax)
        guard cursor.isValid, count > 0 else { throw .invalid("timestamp count") }
        // Each further timestamp takes a byte at least: nothing is allocated for what cannot be there.
        guard cursor.remaining >= count else { throw .truncated("timestamps") }
        timestamps.reserveCapacity(count)
        var value = cursor.zigzag()
        timestamps.append(value)
        var slope: Int64 = 0
        for index in 1..<count {
            var overflow = false
            if index == 1 {
                let raw = cursor.varint()
                guard raw <= UInt64(Int64.max) else { throw .invalid("timestamps") }
                slope = Int64(raw)
            } else {
                (slope, overflow) = slope.addingReportingOverflow(cursor.zigzag())
            }
            guard slope > 0, !overflow else { throw .invalid("timestamps") }
            (value, overflow) = value.addingReportingOverflow(slope)
            guard !overflow else { throw .invalid("timestamps") }
            timestamps.append(value)
        }
        guard cursor.isValid else { throw .truncated("timestamps") }
    }
}
