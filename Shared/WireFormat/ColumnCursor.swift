/// A bounds-checked reading position in a column, for hot loops: no allocation, no field names.
///
/// The caller keeps the memory alive. Reading past the end or an ill-formed varint sets
/// ``isValid`` to false and yields zeros from then on, so that a loop checks once at its end.
struct ColumnCursor {
    private(set) var position: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>
    private(set) var isValid = true

    /// An empty column needs no memory; one byte of a static word stands in for its address.
    init(_ bytes: UnsafeRawBufferPointer) {
        if let base = bytes.baseAddress {
            position = base.assumingMemoryBound(to: UInt8.self)
            end = position + bytes.count
        } else {
            position = UnsafePointer(bitPattern: 1).unsafelyUnwrapped
            end = position
        }
    }

    var remaining: Int { end - position }
    /// Whether everything was read and nothing failed.
    var isFinished: Bool { isValid && position == end }

    @inline(__always)
    mutating func byte() -> UInt8 {
        guard position < end else { return fail() }
        let value = position.pointee
        position += 1
        return value
    }

    @inline(__always)
    mutating func varint() -> UInt64 {
        guard position < end else { return UInt64(fail()) }
        let first = position.pointee
        if first < 0x80 {
            position += 1
            return UInt64(first)
        }
        return longVarint()
    }

    @inline(__always)
    mutating func zigzag() -> Int64 {
        let raw = varint()
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    @inline(__always)
    mutating func word() -> UInt64 {
        guard end - position >= 8 else { return UInt64(fail()) }
        let value = UnsafeRawPointer(position).loadUnaligned(as: UInt64.self)
        position += 8
        return UInt64(littleEndian: value)
    }

    /// A count, refused above `max`.
    mutating func count(max: Int) -> Int {
        let raw = varint()
        guard raw <= UInt64(max) else { return Int(fail()) }
        return Int(raw)
    }

    /// The next `count` bytes; empty on failure.
    mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else {
            _ = fail()
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        let slice = UnsafeRawBufferPointer(start: position, count: count)
        position += count
        return slice
    }

    @inline(never)
    private mutating func longVarint() -> UInt64 {
        guard let next = Self.readVarint(position, end: end) else { return UInt64(fail()) }
        position = next.position
        return next.value
    }

    /// - Returns: nil when the varint is cut off or exceeds 64 bits.
    @inline(__always)
    static func readVarint(
        _ start: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>
    ) -> (value: UInt64, position: UnsafePointer<UInt8>)? {
        var position = start
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end {
            let byte = position.pointee
            position += 1
            if shift == 63, byte > 1 { return nil }
            value |= UInt64(byte & 0x7f) &<< shift
            if byte < 0x80 { return (value, position) }
            shift += 7
            if shift > 63 { return nil }
        }
        return nil
    }

    @inline(never)
    private mutating func fail() -> UInt8 {
        isValid = false
        position = end
        return 0
    }
}
