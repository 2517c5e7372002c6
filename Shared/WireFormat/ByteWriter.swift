/// Appends little-endian integers, LEB128 varints and length-prefixed bytes to an array.
public struct ByteWriter: Sendable {
    public var bytes: [UInt8]
    @inlinable public init(reserving count: Int = 0) {
        bytes = []
        bytes.reserveCapacity(count)
    }
    @inlinable public mutating func write(_ value: UInt8) { bytes.append(value) }
    @inlinable public mutating func write<Value: FixedWidthInteger>(littleEndian value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    @inlinable public mutating func write(_ value: some Collection<UInt8>) { bytes.append(contentsOf: value) }
    @inlinable public mutating func write(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
    /// Zigzag: small magnitudes of either sign stay short.
    @inlinable public mutating func write(zigzag value: Int64) {
        write(varint: UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }
    @inlinable public mutating func write(prefixed value: some Collection<UInt8>) {
        write(varint: UInt64(value.count))
        bytes.append(contentsOf: value)
    }
    @inlinable public mutating func write(text value: String) { write(prefixed: value.utf8) }
}
