public import Telemetry

/// Encodes event blocks, keeping its buffers from one to the next. Not thread-safe.
public final class EventBlockEncoder {
    private var output = ByteColumn(capacity: 65_536)
    private var section = ByteColumn(capacity: 16_384)
    private var indices = ByteColumn()
    private var dictionary = TextDictionary(capacity: EventBlock.eventsMax)

    public init() {}

    /// - Throws: above ``EventBlock/eventsMax`` events, when one breaks ``EventLimits`` or the block
    ///   would exceed ``WireLimits/bodyBytesMax``.
    public func encode(_ events: [ListeningEvent]) throws(WireError) -> [UInt8] {
        guard events.count <= EventBlock.eventsMax else { throw .tooLarge("events") }
        var failure: WireError?
        events.withUnsafeBufferPointer { events in
            do throws(WireError) { try write(events) } catch { failure = error }
        }
        if let failure { throw failure }
        guard output.count <= WireLimits.bodyBytesMax else { throw .tooLarge("event block") }
        return [UInt8](output.bytes)
    }

    private func write(_ events: UnsafeBufferPointer<ListeningEvent>) throws(WireError) {
        let textCount = EventText.allCases.count
        let numberCount = EventNumber.allCases.count
        output.clear()
        section.clear()  // a refusal leaves it half written
        output.append(EventBlock.version)
        output.append(0)
        output.append(varint: UInt64(events.count))
        try writeIDs(events)
        for index in events.indices {
            guard events[index].texts.count == textCount, events[index].numbers.count == numberCount else {
                throw .invalid("event")
            }
            section.append(events[index].kind.rawValue)
        }
        finish(EventBlock.Tag.kinds)
        writeTimes(events)
        writeUsers(events)
        for index in 0..<textCount { try writeTexts(events, index) }
        for index in 0..<numberCount { writeNumbers(events, index) }
    }

    /// Writes the gathered section and starts the next.
    private func finish(_ tag: UInt64) {
        output.append(varint: tag)
        output.append(varint: UInt64(section.count))
        output.append(section.bytes)
        section.clear()
    }

    private func writeIDs(_ events: UnsafeBufferPointer<ListeningEvent>) throws(WireError) {
        for position in events.indices {
            let count = events[position].id.utf8.count
            guard count >= 1, count <= EventLimits.idBytesMax else { throw .invalid("event id") }
            section.append(UInt8(count))
        }
        for position in events.indices {
            Self.withBytes(events[position].id) { section.append(UnsafeRawBufferPointer($0)) }
        }
        finish(EventBlock.Tag.ids)
    }

    private func writeTimes(_ events: UnsafeBufferPointer<ListeningEvent>) {
        if events.indices.contains(where: { events[$0].revision != 0 }) {
            for index in events.indices { section.append(varint: UInt64(events[index].revision)) }
            finish(EventBlock.Tag.revisions)
        }
        var before: Int64 = 0
        for index in events.indices {
            let time = events[index].at.milliseconds
            section.append(zigzag: time &- before)
            before = time
        }
        finish(EventBlock.Tag.times)
        for index in events.indices {
            section.append(zigzag: events[index].receivedAt.milliseconds &- events[index].at.milliseconds)
        }
        finish(EventBlock.Tag.receptions)
    }

    private func writeUsers(_ events: UnsafeBufferPointer<ListeningEvent>) {
        var numbers: [UserPseudonym: UInt64] = [:]
        indices.clear()
        var entries: [UserPseudonym] = []
        for position in events.indices {
            guard let user = events[position].user else {
                indices.append(0)
                continue
            }
            if let number = numbers[user] {
                indices.append(varint: number)
            } else {
                entries.append(user)
                numbers[user] = UInt64(entries.count)
                indices.append(varint: UInt64(entries.count))
            }
        }
        if !entries.isEmpty {
            section.append(varint: UInt64(entries.count))
            for entry in entries {
                section.append(littleEndian: entry.high.byteSwapped)
                section.append(littleEndian: entry.low.byteSwapped)
            }
            section.append(indices.bytes)
            finish(EventBlock.Tag.users)
        }
        guard events.indices.contains(where: { events[$0].pseudonymVersion != 0 }) else { return }
        for index in events.indices { section.append(varint: UInt64(events[index].pseudonymVersion)) }
        finish(EventBlock.Tag.pseudonymVersions)
    }

    private func writeTexts(
        _ events: UnsafeBufferPointer<ListeningEvent>, _ index: Int
    ) throws(WireError) {
        dictionary.clear()
        indices.clear()
        for position in events.indices {
            guard let text = events[position].texts[index] else {
                indices.append(0)
                continue
            }
            guard text.utf8.count <= EventLimits.textBytesMax else { throw .tooLarge("event text") }
            let number = Self.withBytes(text) { dictionary.number(of: $0) }
            indices.append(varint: UInt64(number + 1))
        }
        guard dictionary.count > 0 else { return }
        section.append(varint: UInt64(dictionary.count))
        section.append(dictionary.lengths.bytes)
        section.append(dictionary.bytes.bytes)
        section.append(indices.bytes)
        finish(EventBlock.Tag.textBase + UInt64(index + 1))
    }

    /// A presence bitmap, then the numbers that are there.
    private func writeNumbers(_ events: UnsafeBufferPointer<ListeningEvent>, _ index: Int) {
        indices.clear()
        var bits: UInt8 = 0
        var hasAny = false
        for position in events.indices {
            if let number = events[position].numbers[index] {
                bits |= 1 << UInt8(position % 8)
                hasAny = true
                indices.append(zigzag: number)
            }
            if position % 8 == 7 || position == events.count - 1 {
                section.append(bits)
                bits = 0
            }
        }
        guard hasAny else {
            section.clear()
            return
        }
        section.append(indices.bytes)
        finish(EventBlock.Tag.numberBase + UInt64(index + 1))
    }

    /// The text's bytes, without a copy when it is stored contiguously.
    @inline(__always)
    private static func withBytes<Result>(_ text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        if let result = text.utf8.withContiguousStorageIfAvailable(body) { return result }
        return Array(text.utf8).withUnsafeBufferPointer(body)
    }
}
