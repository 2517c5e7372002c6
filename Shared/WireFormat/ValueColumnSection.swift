/// Value columns as bytes: five varint lengths (multipliers, references, lengths, first values, words),
/// then classes, one byte per series, these five columns, and the streams to the end.
enum ValueColumnSection {
    static func writeDirectory(_ encoder: borrowing ValueColumnEncoder, to output: inout ByteColumn) {
        output.append(varint: UInt64(encoder.multipliers.count))
        output.append(varint: UInt64(encoder.references.count))
        output.append(varint: UInt64(encoder.lengths.count))
        output.append(varint: UInt64(encoder.firsts.count))
        output.append(varint: UInt64(encoder.words.count))
        output.append(encoder.classes.bytes)
        output.append(encoder.multipliers.bytes)
        output.append(encoder.references.bytes)
        output.append(encoder.lengths.bytes)
        output.append(encoder.firsts.bytes)
        output.append(encoder.words.bytes)
    }

    /// Leaves `cursor` at the streams.
    static func readColumns(
        _ cursor: inout ColumnCursor, seriesCount: Int
    ) throws(WireError) -> ValueColumnDirectory.Columns {
        let available = cursor.remaining
        let multipliers = cursor.count(max: available)
        let references = cursor.count(max: available)
        let lengths = cursor.count(max: available)
        let firsts = cursor.count(max: available)
        let words = cursor.count(max: available)
        let columns = ValueColumnDirectory.Columns(
            classes: ColumnCursor(cursor.take(seriesCount)),
            multipliers: ColumnCursor(cursor.take(multipliers)),
            references: ColumnCursor(cursor.take(references)),
            lengths: ColumnCursor(cursor.take(lengths)),
            firsts: ColumnCursor(cursor.take(firsts)),
            words: ColumnCursor(cursor.take(words)))
        guard cursor.isValid else { throw .truncated("value columns") }
        return columns
    }
}
