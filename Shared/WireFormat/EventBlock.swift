public import Telemetry

/// Listening events as bytes: layout in FORMAT.md, "Event block".
///
/// These functions are for single use; hot paths keep an ``EventBlockEncoder``.
public enum EventBlock {
    public static let version: UInt8 = 1
    public static let eventsMax = 4096

    /// Section tags. Texts and numbers lie at a base plus their wire number; a reader skips tags it does not know.
    enum Tag {
        static let ids: UInt64 = 1
        static let kinds: UInt64 = 2
        static let revisions: UInt64 = 3
        static let times: UInt64 = 4
        static let receptions: UInt64 = 5
        static let users: UInt64 = 6
        static let pseudonymVersions: UInt64 = 7
        static let textBase: UInt64 = 0x100
        static let numberBase: UInt64 = 0x200
    }

    public static func encode(_ events: [ListeningEvent]) throws(WireError) -> [UInt8] {
        try EventBlockEncoder().encode(events)
    }

    /// - Throws: ``WireError`` for any bytes that are no valid block.
    public static func decode(_ bytes: [UInt8]) throws(WireError) -> [ListeningEvent] {
        var result: Result<[ListeningEvent], WireError> = .failure(.truncated("event block"))
        bytes.withUnsafeBytes { bytes in
            result = Result { () throws(WireError) in try decode(bytes) }
        }
        return try result.get()
    }

    /// Whether decoding would succeed, at a tenth of its cost.
    /// - Returns: how many events the block has.
    /// - Throws: ``WireError`` for any bytes that are no valid block.
    public static func check(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> Int {
        var check = EventBlockCheck()
        return try check.read(bytes)
    }

    public static func decode(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> [ListeningEvent] {
        var reader = EventBlockReader()
        return try reader.read(bytes)
    }
}
