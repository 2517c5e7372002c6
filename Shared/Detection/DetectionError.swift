/// What fitting, loading and scoring refuse. None of it traps, whatever the rows or bytes are.
package enum DetectionError: Error, Equatable, Sendable {
    /// Rows of no column, or of more columns than the kind of model takes.
    case columns(Int, limit: Int)
    /// The values do not fill whole rows of that many columns.
    case raggedRows(values: Int, columns: Int)
    /// No row is left to learn from: there was none, or each held a value that is not finite.
    case nothingToLearn
    /// A parameter is out of its range.
    case parameter(String)
    /// Bytes that are no model of ours, are cut, flipped or contradict themselves; the text says where.
    case damaged(String)
    /// A model of a version that this program does not read.
    case version(Int)

    static func check(values: Int, columns: Int, limit: Int) throws(DetectionError) {
        guard columns >= 1, columns <= limit else { throw .columns(columns, limit: limit) }
        guard values % columns == 0 else { throw .raggedRows(values: values, columns: columns) }
    }
}
