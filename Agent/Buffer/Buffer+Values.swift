import RuntimeSupport
import SQLite
import Telemetry

extension Buffer {
    private static let sessionKey = "session"

    /// The next session counter, stored durably before it is used. Grows over restarts, also when the file had to
    /// be replaced: then it continues from the wall clock's seconds, which no counter of one session a second passes.
    /// When the disk takes nothing it still grows, but only in memory.
    package func nextSession() throws -> UInt64 {
        let stored = try value(Self.sessionKey).flatMap(Self.decode)
        let next = max(stored ?? UInt64(max(0, time.now.milliseconds / 1000)), lastSession) + 1
        lastSession = next
        let bytes = withUnsafeBytes(of: next.littleEndian) { Array($0) }
        try tolerated {
            try change(level: .full, isRepeatable: true) { try $0.setValue(Self.sessionKey, bytes) }
        }
        return next
    }

    private static func decode(_ bytes: [UInt8]) -> UInt64? {
        guard bytes.count == 8 else { return nil }
        return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Small state of other parts (control, uplink), by key.
    package func value(_ key: String) throws -> [UInt8]? { try guarded { try $0.value(key) } }

    /// Stores a value (nil removes it), durably when it returns.
    /// - Throws: `BufferError.valueTooLarge` over 64 bytes of key, `BufferLimits.valueBytesMax` of value or
    ///   `BufferLimits.valueCountMax` keys.
    package func setValue(_ key: String, _ value: [UInt8]?) throws {
        guard key.utf8.count <= 64, value?.count ?? 0 <= BufferLimits.valueBytesMax else {
            throw BufferError.valueTooLarge(key)
        }
        let known = try guarded { try $0.values() }
        guard value == nil || known[key] != nil || known.count < BufferLimits.valueCountMax else {
            throw BufferError.valueTooLarge(key)
        }
        if let value, known[key] == value { return }
        try change(level: .full, isRepeatable: true) { try $0.setValue(key, value) }
    }

    /// Stores a value in the commit of the open transaction (of its last part, if there are several): with the rows, or
    /// not at all.
    /// - Throws: as ``setValue(_:_:)``.
    package func stageValue(_ key: String, _ value: [UInt8]) throws {
        guard key.utf8.count <= 64, value.count <= BufferLimits.valueBytesMax else {
            throw BufferError.valueTooLarge(key)
        }
        let known = try guarded { try $0.values() }
        guard known[key] != nil || known.count < BufferLimits.valueCountMax else {
            throw BufferError.valueTooLarge(key)
        }
        precondition(staging != nil, "a value is staged within a transaction")
        staging?.values[key] = value
    }
}
