import Telemetry

/// Decodes one event block, section by section.
struct EventBlockReader {
    private var count = 0
    private var ids: [String] = []
    private var kinds: [EventKind] = []
    private var times: [Int64] = []
    private var receptions: [Int64] = []
    private var revisions: [UInt32] = []
    private var pseudonymVersions: [UInt32] = []
    private var users: [UserPseudonym?] = []
    private var texts: [(column: Int, dictionary: [String], indices: [UInt16])] = []
    private var numbers: [(column: Int, values: [Int64?])] = []

    mutating func read(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> [ListeningEvent] {
        var sections = try EventSections(bytes)
        count = sections.count
        while let (tag, section) = try sections.next() {
            try readSection(tag, section)
        }
        guard ids.count == count, kinds.count == count, times.count == count, receptions.count == count else {
            throw .invalid("missing section")
        }
        return assemble()
    }

    private mutating func readSection(_ tag: UInt64, _ bytes: UnsafeRawBufferPointer) throws(WireError) {
        var cursor = ColumnCursor(bytes)
        switch tag {
        case EventBlock.Tag.ids:
            try readIDs(&cursor)
        case EventBlock.Tag.kinds:
            for byte in cursor.take(count) {
                guard let kind = EventKind(rawValue: byte) else { throw .invalid("event kind") }
                kinds.append(kind)
            }
        case EventBlock.Tag.revisions:
            revisions = try Self.readWords(&cursor, count)
        case EventBlock.Tag.times:
            var value: Int64 = 0
            times.reserveCapacity(count)
            for _ in 0..<count {
                value = value &+ cursor.zigzag()
                times.append(value)
            }
        case EventBlock.Tag.receptions:
            guard times.count == count else { throw .invalid("missing section") }
            receptions.reserveCapacity(count)
            for time in times { receptions.append(time &+ cursor.zigzag()) }
        case EventBlock.Tag.users:
            try readUsers(&cursor)
        case EventBlock.Tag.pseudonymVersions:
            pseudonymVersions = try Self.readWords(&cursor, count)
        case (EventBlock.Tag.textBase + 1)...(EventBlock.Tag.textBase + UInt64(EventText.allCases.count)):
            try readTexts(&cursor, column: Int(tag - EventBlock.Tag.textBase) - 1)
        case (EventBlock.Tag.numberBase + 1)...(EventBlock.Tag.numberBase + UInt64(EventNumber.allCases.count)):
            readNumbers(&cursor, column: Int(tag - EventBlock.Tag.numberBase) - 1)
        default:
            return  // a newer minor version's
        }
        guard cursor.isFinished else { throw .invalid("event section") }
    }

    private static func readWords(_ cursor: inout ColumnCursor, _ count: Int) throws(WireError) -> [UInt32] {
        var words: [UInt32] = []
        words.reserveCapacity(count)
        for _ in 0..<count {
            let word = cursor.varint()
            guard word <= UInt64(UInt32.max) else { throw .invalid("event section") }
            words.append(UInt32(word))
        }
        return words
    }

    private mutating func readIDs(_ cursor: inout ColumnCursor) throws(WireError) {
        ids.reserveCapacity(count)
        for length in cursor.take(count) {
            guard length >= 1, Int(length) <= EventLimits.idBytesMax else { throw .invalid("event id") }
            let slice = cursor.take(Int(length))
            guard cursor.isValid, let text = String(validating: slice, as: UTF8.self) else {
                throw .invalid("event id")
            }
            ids.append(text)
        }
    }

    private mutating func readUsers(_ cursor: inout ColumnCursor) throws(WireError) {
        let entries = cursor.count(max: min(count, cursor.remaining / 16))
        var dictionary: [UserPseudonym] = []
        dictionary.reserveCapacity(entries)
        for _ in 0..<entries {
            dictionary.append(UserPseudonym(high: cursor.word().byteSwapped, low: cursor.word().byteSwapped))
        }
        users.reserveCapacity(count)
        for _ in 0..<count {
            let index = cursor.count(max: entries)
            users.append(index == 0 ? nil : dictionary[index - 1])
        }
    }

    private mutating func readTexts(_ cursor: inout ColumnCursor, column: Int) throws(WireError) {
        let entries = cursor.count(max: min(count, cursor.remaining))
        var lengths: [Int] = []
        lengths.reserveCapacity(entries)
        for _ in 0..<entries { lengths.append(cursor.count(max: EventLimits.textBytesMax)) }
        var dictionary: [String] = []
        dictionary.reserveCapacity(entries)
        for length in lengths {
            guard let text = String(validating: cursor.take(length), as: UTF8.self), cursor.isValid else {
                throw .invalid("event text")
            }
            dictionary.append(text)
        }
        var indices: [UInt16] = []
        indices.reserveCapacity(count)
        for _ in 0..<count { indices.append(UInt16(truncatingIfNeeded: cursor.count(max: entries))) }
        texts.append((column, dictionary, indices))
    }

    private mutating func readNumbers(_ cursor: inout ColumnCursor, column: Int) {
        let bitmap = cursor.take((count + 7) / 8)
        guard cursor.isValid else { return }
        var values: [Int64?] = []
        values.reserveCapacity(count)
        for index in 0..<count {
            values.append(bitmap[index / 8] & (1 << UInt8(index % 8)) == 0 ? nil : cursor.zigzag())
        }
        numbers.append((column, values))
    }

    /// Fills a matrix of attributes column by column, then moves each event's row into its arrays:
    /// one retain per text instead of several per column.
    private func assemble() -> [ListeningEvent] {
        let textCount = EventText.allCases.count
        let numberCount = EventNumber.allCases.count
        let textMatrix = UnsafeMutablePointer<String?>.allocate(capacity: max(1, count * textCount))
        let numberMatrix = UnsafeMutablePointer<Int64?>.allocate(capacity: max(1, count * numberCount))
        textMatrix.initialize(repeating: nil, count: count * textCount)
        numberMatrix.initialize(repeating: nil, count: count * numberCount)
        defer {
            textMatrix.deallocate()
            numberMatrix.deallocate()
        }
        for text in texts {
            for index in 0..<count where text.indices[index] > 0 {
                textMatrix[index * textCount + text.column] = text.dictionary[Int(text.indices[index]) - 1]
            }
        }
        for number in numbers {
            for index in 0..<count { numberMatrix[index * numberCount + number.column] = number.values[index] }
        }
        var events: [ListeningEvent] = []
        events.reserveCapacity(count)
        for index in 0..<count {
            let rowTexts = [String?](unsafeUninitializedCapacity: textCount) { buffer, initialized in
                buffer.baseAddress?.moveInitialize(from: textMatrix + index * textCount, count: textCount)
                initialized = textCount
            }
            let rowNumbers = [Int64?](unsafeUninitializedCapacity: numberCount) { buffer, initialized in
                buffer.baseAddress?.moveInitialize(from: numberMatrix + index * numberCount, count: numberCount)
                initialized = numberCount
            }
            events.append(
                ListeningEvent(
                    id: ids[index], kind: kinds[index], revision: revisions.isEmpty ? 0 : revisions[index],
                    at: Timestamp(milliseconds: times[index]),
                    receivedAt: Timestamp(milliseconds: receptions[index]), user: users.isEmpty ? nil : users[index],
                    pseudonymVersion: pseudonymVersions.isEmpty ? 0 : pseudonymVersions[index], texts: rowTexts,
                    numbers: rowNumbers))
        }
        return events
    }
}
