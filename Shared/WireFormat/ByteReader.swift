/// Why bytes do not decode. Every decoder of this module is total: any bytes give a value or one of these.
public enum WireError: Error, Equatable, Sendable {
    case truncated(String)  // ended inside the named field
    case invalid(String)  // the named field breaks its rule
    case unsupportedVersion(UInt8)
    case tooLarge(String)  // the named field exceeds its bound
    case trailingBytes(Int)
}

/// Reads what ``ByteWriter`` writes, checking every bound. The caller keeps the memory alive.
public struct ByteReader {
    public let bytes: UnsafeRawBufferPointer
    public var offset: Int = 0

    @inlinable public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }
    @inlinable public var remaining: Int { bytes.count - offset }

    @inlinable public mutating func readByte(_ field: StaticString) throws(WireError) -> UInt8 {
        guard offset < bytes.count else { throw .truncated(String(describing: field)) }
        let value = bytes[offset]
        advance(1)
        return value
    }
    @inlinable public mutating func read<Value: FixedWidthInteger>(
        littleEndian type: Value.Type, _ field: StaticString
    ) throws(WireError) -> Value {
        let width = MemoryLayout<Value>.size
        guard remaining >= width else { throw .truncated(String(describing: field)) }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
        advance(width)
        return Value(littleEndian: value)
    }
    /// At most ten bytes; an overlong or overflowing encoding is invalid.
    @inlinable public mutating func readVarint(_ field: StaticString) throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard offset < bytes.count else { throw .truncated(String(describing: field)) }
            let byte = bytes[offset]
            advance(1)
            if shift == 63, byte > 1 { throw .invalid(String(describing: field)) }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
            if shift > 63 { throw .invalid(String(describing: field)) }
        }
    }
    @inlinable public mutating func readZigzag(_ field: StaticString) throws(WireError) -> Int64 {
        let raw = try readVarint(field)
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }
    /// A varint used as a count or length, refused above `max` before anything is allocated.
    @inlinable public mutating func readCount(_ field: StaticString, max: Int) throws(WireError) -> Int {
        let raw = try readVarint(field)
        guard raw <= UInt64(max) else { throw .tooLarge(String(describing: field)) }
        return Int(raw)
    }
    @inlinable public mutating func readBytes(_ count: Int, _ field: StaticString) throws(WireError)
        -> UnsafeRawBufferPointer
    {
        guard count >= 0, remaining >= count else { throw .truncated(String(describing: field)) }
        let slice = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
        advance(count)
        return slice
    }
    @inlinable public mutating func readPrefixed(_ field: StaticString, max: Int) throws(WireError)
        -> UnsafeRawBufferPointer
    {
        try readBytes(readCount(field, max: max), field)
    }
    /// UTF-8 text; ill-formed UTF-8 is invalid.
    @inlinable public mutating func readText(_ field: StaticString, max: Int) throws(WireError) -> String {
        let slice = try readPrefixed(field, max: max)
        guard let text = String(validating: slice, as: UTF8.self) else { throw .invalid(String(describing: field)) }
        return text
    }
    @inlinable public mutating func readID128(_ field: StaticString) throws(WireError) -> (high: UInt64, low: UInt64) {
        let high = try read(littleEndian: UInt64.self, field).byteSwapped
        let low = try read(littleEndian: UInt64.self, field).byteSwapped
        return (high, low)
    }
    public func finish() throws(WireError) {
        guard remaining == 0 else { throw .trailingBytes(remaining) }
    }
    @inlinable mutating func advance(_ count: Int) { offset += count }
}
