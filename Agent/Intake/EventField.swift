import JSON
import Telemetry

/// A member of an event object, found by its key.
enum EventField: Sendable, Equatable {
    case id, kind, revision, at, user, events
    case text(EventText)
    case number(EventNumber)

    var name: String {
        switch self {
        case .id: "id"
        case .kind: "kind"
        case .revision: "revision"
        case .at: "at"
        case .user: "user"
        case .events: "events"
        case .text(let text): text.name
        case .number(let number): number.name
        }
    }
}

/// Finds fields by key: an open-addressed table over keys of at most sixteen bytes, compared as two words.
struct EventFieldTable: Sendable {
    private struct Slot: Sendable {
        var low: UInt64 = 0
        var high: UInt64 = 0
        var field: EventField?
    }
    private static let slotCount = 128  // a power of two, over three times the number of fields
    private var slots = [Slot](repeating: Slot(), count: slotCount)

    static let shared = EventFieldTable()

    private init() {
        let fields: [EventField] =
            [.id, .kind, .revision, .at, .user, .events] + EventText.allCases.map { .text($0) }
            + EventNumber.allCases.map { .number($0) }
        for field in fields {
            let name = Array(field.name.utf8)
            precondition(name.count <= 16, "the key \(field.name) is longer than the table holds")
            let (low, high) = name.withUnsafeBytes { Self.pack($0, 0, $0.count) }
            var index = Self.slot(low, high)
            while slots[index].field != nil { index = (index + 1) & (Self.slotCount - 1) }
            slots[index] = Slot(low: low, high: high, field: field)
        }
    }

    /// - Returns: nil for a key that names no field. Keys written with escapes are looked up decoded.
    @inline(__always)
    func find(_ key: JSONString, in reader: JSONReader) -> EventField? {
        if key.hasEscapes { return findDecoded(key, in: reader) }
        guard key.rawByteCount <= 16 else { return nil }
        return find(Self.pack(reader.bytes, key.start, key.rawByteCount))
    }

    @inline(__always)
    private func find(_ key: (low: UInt64, high: UInt64)) -> EventField? {
        var index = Self.slot(key.low, key.high)
        while let field = slots[index].field {
            if slots[index].low == key.low, slots[index].high == key.high { return field }
            index = (index + 1) & (Self.slotCount - 1)
        }
        return nil
    }

    @inline(never)
    private func findDecoded(_ key: JSONString, in reader: JSONReader) -> EventField? {
        guard var name = try? reader.decode(key), name.utf8.count <= 16 else { return nil }  // undecodable: unknown
        return find(name.withUTF8 { Self.pack(UnsafeRawBufferPointer($0), 0, $0.count) })
    }

    /// At most sixteen bytes as two little-endian words, padded with zeros (a key holds no raw zero byte).
    @inline(__always)
    private static func pack(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> (UInt64, UInt64) {
        (word(bytes, start, min(count, 8)), count > 8 ? word(bytes, start + 8, count - 8) : 0)
    }

    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> UInt64 {
        guard count > 0 else { return 0 }
        if start + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            return word & (UInt64.max >> UInt64(64 - 8 * count))
        }
        var word: UInt64 = 0
        for index in 0..<count { word |= UInt64(bytes[start + index]) << UInt64(8 * index) }
        return word
    }

    @inline(__always)
    private static func slot(_ low: UInt64, _ high: UInt64) -> Int {
        Int(truncatingIfNeeded: ((low ^ (high &* 31)) &* 0x9e37_79b9_7f4a_7c15) >> 57)
    }
}
