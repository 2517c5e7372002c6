public import Telemetry

/// Of an event block what tells its events apart: their ids and revisions, when they were and of which kinds.
///
/// Reading it costs a tenth of decoding the block: no text is made and no attribute looked at. So it says nothing of
/// whether the attributes can be decoded.
public struct EventOutline: Sendable, Equatable {
    public private(set) var count = 0
    /// All ids, one after another; where each ends.
    private var idBytes: [UInt8] = []
    private var idEnds: [Int] = []
    /// Empty: all are 0.
    private var revisions: [UInt32] = []
    /// Milliseconds; nil without events.
    public private(set) var times: ClosedRange<Int64>?
    /// A bit for each kind that occurs, by its raw value.
    public private(set) var kinds: Int64 = 0

    public func id(_ position: Int) -> ArraySlice<UInt8> {
        idBytes[(position == 0 ? 0 : idEnds[position - 1])..<idEnds[position]]
    }

    public func revision(_ position: Int) -> UInt32 { revisions.isEmpty ? 0 : revisions[position] }

    public init(_ events: [ListeningEvent]) {
        count = events.count
        idEnds.reserveCapacity(count)
        for event in events {
            idBytes.append(contentsOf: event.id.utf8)
            idEnds.append(idBytes.count)
            note(event.at.milliseconds)
            kinds |= 1 << Int64(event.kind.rawValue)
        }
        if events.contains(where: { $0.revision != 0 }) { revisions = events.map(\.revision) }
    }

    /// - Throws: ``WireError`` for bytes that are no block, as far as they were looked at.
    public init(block bytes: UnsafeRawBufferPointer) throws(WireError) {
        var sections = try EventSections(bytes)
        count = sections.count
        var found = 0
        while let (tag, section) = try sections.next() {
            if [EventBlock.Tag.ids, EventBlock.Tag.kinds, EventBlock.Tag.times].contains(tag) { found += 1 }
            try read(tag, ColumnCursor(section))
        }
        guard found == 3 || count == 0 else { throw .invalid("missing section") }
    }

    private mutating func read(_ tag: UInt64, _ section: ColumnCursor) throws(WireError) {
        var cursor = section
        switch tag {
        case EventBlock.Tag.ids:
            idEnds.reserveCapacity(count)
            var end = 0
            for length in cursor.take(count) {
                guard length >= 1, Int(length) <= EventLimits.idBytesMax else { throw .invalid("event id") }
                end += Int(length)
                idEnds.append(end)
            }
            idBytes = Array(cursor.take(end))
            guard idEnds.count == count, idBytes.count == end else { throw .invalid("event id") }
        case EventBlock.Tag.kinds:
            for byte in cursor.take(count) {
                guard EventKind(rawValue: byte) != nil else { throw .invalid("event kind") }
                kinds |= 1 << Int64(byte)
            }
        case EventBlock.Tag.revisions:
            revisions.reserveCapacity(count)
            for _ in 0..<count {
                let word = cursor.varint()
                guard word <= UInt64(UInt32.max) else { throw .invalid("event section") }
                revisions.append(UInt32(word))
            }
        case EventBlock.Tag.times:
            var value: Int64 = 0
            for _ in 0..<count {
                value = value &+ cursor.zigzag()
                note(value)
            }
        default: return
        }
        guard cursor.isFinished else { throw .invalid("event section") }
    }

    private mutating func note(_ time: Int64) {
        times = min(time, times?.lowerBound ?? time)...max(time, times?.upperBound ?? time)
    }
}
