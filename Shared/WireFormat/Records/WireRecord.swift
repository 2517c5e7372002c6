public import Telemetry

/// A value with a byte layout of its own: one version byte, then the fields as FORMAT.md lists them.
///
/// Decoding is total. Fields added within a version stand at the end and older decoders pass over
/// them, so agent and aggregator may be one release apart; a changed meaning takes a new version.
public protocol WireRecord: Sendable {
    static var formatVersion: UInt8 { get }
    /// Appends the fields, without the version byte.
    func encodeFields(into writer: inout ByteWriter)
    init(fieldsFrom reader: inout ByteReader) throws(WireError)
}

extension WireRecord {
    public static var formatVersion: UInt8 { 1 }

    public func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.write(Self.formatVersion)
        encodeFields(into: &writer)
        return writer.bytes
    }

    /// - Throws: ``WireError`` for anything that is not such a record, or beyond its bounds.
    public init(decoding bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= WireLimits.batchBytesMax else { throw .tooLarge("record") }
        self = try ByteReader.reading(bytes) { (reader) throws(WireError) in
            let version = try reader.readByte("version")
            guard version == Self.formatVersion else { throw .unsupportedVersion(version) }
            return try Self(fieldsFrom: &reader)
        }
    }
}

extension ByteReader {
    /// Runs `body` with a reader over `bytes`.
    public static func reading<Value>(
        _ bytes: [UInt8], _ body: (inout ByteReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        let result = bytes.withUnsafeBytes { buffer -> Result<Value, WireError> in
            Result { () throws(WireError) in
                var reader = ByteReader(buffer)
                return try body(&reader)
            }
        }
        return try result.get()
    }

    public mutating func readIdentifier(_ field: StaticString) throws(WireError) -> ID128 {
        let words = try readID128(field)
        return ID128(high: words.high, low: words.low)
    }
    public mutating func readHash(_ field: StaticString) throws(WireError) -> ID256 {
        let high = try readIdentifier(field)
        return ID256(high: high, low: try readIdentifier(field))
    }
    public mutating func readTimestamp(_ field: StaticString) throws(WireError) -> Timestamp {
        Timestamp(milliseconds: try read(littleEndian: Int64.self, field))
    }
    public mutating func readName<N: Name>(_ type: N.Type, _ field: StaticString) throws(WireError) -> N {
        guard let name = N(rawValue: try readText(field, max: NameGrammar.lengthMax)) else {
            throw .invalid(String(describing: field))
        }
        return name
    }
    /// A byte that must be 0 or 1.
    public mutating func readBool(_ field: StaticString) throws(WireError) -> Bool {
        switch try readByte(field) {
        case 0: return false
        case 1: return true
        default: throw .invalid(String(describing: field))
        }
    }
    public mutating func readCase<Value: RawRepresentable<UInt8>>(
        _ type: Value.Type, _ field: StaticString
    ) throws(WireError) -> Value {
        guard let value = Value(rawValue: try readByte(field)) else { throw .invalid(String(describing: field)) }
        return value
    }
    public mutating func readArray(_ field: StaticString, max: Int) throws(WireError) -> [UInt8] {
        [UInt8](try readPrefixed(field, max: max))
    }
    public mutating func readLaneKey(_ field: StaticString) throws(WireError) -> LaneKey {
        let epoch = try readIdentifier(field)
        return LaneKey(epoch: epoch, lane: try readCase(Lane.self, field))
    }
    public mutating func readLedgerCount(_ field: StaticString) throws(WireError) -> LedgerCount {
        let batches = try readVarint(field)
        return LedgerCount(batches: batches, records: try readVarint(field))
    }
    public mutating func readClock(_ field: StaticString) throws(WireError) -> ClockReading {
        let isSynchronized = try readBool(field)
        let bound = try read(littleEndian: UInt32.self, field)
        let boot = try readIdentifier(field)
        return ClockReading(
            isSynchronized: isSynchronized, errorBoundMilliseconds: bound, bootID: boot,
            monotonicNanoseconds: try read(littleEndian: UInt64.self, field))
    }
}

extension ByteWriter {
    public mutating func write(_ value: ID128) {
        write(littleEndian: value.high.byteSwapped)
        write(littleEndian: value.low.byteSwapped)
    }
    public mutating func write(_ value: ID256) {
        write(value.high)
        write(value.low)
    }
    public mutating func write(_ value: Timestamp) { write(littleEndian: value.milliseconds) }
    public mutating func write(_ value: some Name) { write(text: value.rawValue) }
    public mutating func write(_ value: Bool) { write(value ? 1 as UInt8 : 0) }
    public mutating func write(_ value: LaneKey) {
        write(value.epoch)
        write(value.lane.rawValue)
    }
    public mutating func write(_ value: LedgerCount) {
        write(varint: value.batches)
        write(varint: value.records)
    }
    public mutating func write(_ value: ClockReading) {
        write(value.isSynchronized)
        write(littleEndian: value.errorBoundMilliseconds)
        write(value.bootID)
        write(littleEndian: value.monotonicNanoseconds)
    }
}
