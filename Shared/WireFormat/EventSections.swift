/// Goes over the sections of an event block, in their order; what they hold is for the caller to read.
struct EventSections {
    /// Of events that the block says it has.
    let count: Int
    private var cursor: ColumnCursor
    private var before: UInt64 = 0

    init(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        cursor = ColumnCursor(bytes)
        let version = cursor.byte()
        guard cursor.isValid else { throw .truncated("event block version") }
        guard version == EventBlock.version else { throw .unsupportedVersion(version) }
        guard cursor.byte() == 0 else { throw .invalid("event block flags") }
        count = cursor.count(max: EventBlock.eventsMax)
        guard cursor.isValid else { throw .tooLarge("events") }
    }

    /// - Returns: nil behind the last one.
    mutating func next() throws(WireError) -> (tag: UInt64, bytes: UnsafeRawBufferPointer)? {
        guard cursor.remaining > 0 else { return nil }
        let tag = cursor.varint()
        let section = cursor.take(cursor.count(max: cursor.remaining))
        guard cursor.isValid else { throw .truncated("section") }
        guard tag > before else { throw .invalid("section order") }
        before = tag
        return (tag, section)
    }
}
