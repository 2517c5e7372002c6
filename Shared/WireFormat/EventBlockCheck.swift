import Telemetry

/// Goes over an event block as ``EventBlockReader`` does, and makes nothing of it: whether it can be decoded.
struct EventBlockCheck {
    private var count = 0
    /// Sections that no block of events lacks.
    private var needed: Set<UInt64> = [
        EventBlock.Tag.ids, EventBlock.Tag.kinds, EventBlock.Tag.times, EventBlock.Tag.receptions,
    ]

    /// - Returns: the number of events.
    mutating func read(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> Int {
        var sections = try EventSections(bytes)
        count = sections.count
        while let (tag, section) = try sections.next() {
            try read(tag, section)
            needed.remove(tag)
        }
        guard needed.isEmpty || count == 0 else { throw .invalid("missing section") }
        return count
    }

    private func read(_ tag: UInt64, _ bytes: UnsafeRawBufferPointer) throws(WireError) {
        var cursor = ColumnCursor(bytes)
        switch tag {
        case EventBlock.Tag.ids: try readIDs(&cursor)
        case EventBlock.Tag.kinds:
            for byte in cursor.take(count) {
                guard EventKind(rawValue: byte) != nil else { throw .invalid("event kind") }
            }
        case EventBlock.Tag.revisions, EventBlock.Tag.pseudonymVersions:
            for _ in 0..<count {
                guard cursor.varint() <= UInt64(UInt32.max) else { throw .invalid("event section") }
            }
        case EventBlock.Tag.times: skip(count, &cursor)
        case EventBlock.Tag.receptions:
            guard !needed.contains(EventBlock.Tag.times) || count == 0 else { throw .invalid("missing section") }
            skip(count, &cursor)
        case EventBlock.Tag.users:
            let entries = cursor.count(max: min(count, cursor.remaining / 16))
            _ = cursor.take(entries * 16)
            readIndices(&cursor, entries)
        case (EventBlock.Tag.textBase + 1)...(EventBlock.Tag.textBase + UInt64(EventText.allCases.count)):
            try readTexts(&cursor)
        case (EventBlock.Tag.numberBase + 1)...(EventBlock.Tag.numberBase + UInt64(EventNumber.allCases.count)):
            let bitmap = cursor.take((count + 7) / 8)
            guard cursor.isValid else { throw .invalid("event section") }
            var present = 0
            for index in 0..<count where bitmap[index / 8] & (1 << UInt8(index % 8)) != 0 { present += 1 }
            skip(present, &cursor)
        default: return  // a newer minor version's
        }
        guard cursor.isFinished else { throw .invalid("event section") }
    }

    private func skip(_ numbers: Int, _ cursor: inout ColumnCursor) {
        for _ in 0..<numbers { _ = cursor.varint() }
    }

    private func readIndices(_ cursor: inout ColumnCursor, _ entries: Int) {
        for _ in 0..<count { _ = cursor.count(max: entries) }
    }

    private func readIDs(_ cursor: inout ColumnCursor) throws(WireError) {
        for length in cursor.take(count) {
            guard length >= 1, Int(length) <= EventLimits.idBytesMax, Self.isText(cursor.take(Int(length))),
                cursor.isValid
            else { throw .invalid("event id") }
        }
    }

    private func readTexts(_ cursor: inout ColumnCursor) throws(WireError) {
        let entries = cursor.count(max: min(count, cursor.remaining))
        var lengths: [Int] = []
        lengths.reserveCapacity(entries)
        for _ in 0..<entries { lengths.append(cursor.count(max: EventLimits.textBytesMax)) }
        for length in lengths {
            guard Self.isText(cursor.take(length)), cursor.isValid else { throw .invalid("event text") }
        }
        readIndices(&cursor, entries)
    }

    /// UTF-8. Mostly ASCII, which is found out without making a text.
    private static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var all: UInt8 = 0
        for byte in bytes { all |= byte }
        return all < 0x80 || String(validating: bytes, as: UTF8.self) != nil
    }
}
