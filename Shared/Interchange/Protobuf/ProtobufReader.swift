/// A pull reader for protocol buffers' wire format over bytes that somebody else owns.
///
/// Total: any bytes give fields or an ``InterchangeError``. Allocates nothing. Groups (wire types 3 and 4) are refused.
struct ProtobufReader {
    enum WireType: UInt8 {
        case varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5
    }
    struct Field {
        let number: UInt32
        let type: WireType
    }

    let base: UnsafeRawBufferPointer
    private(set) var position: Int
    let end: Int

    init(_ bytes: UnsafeRawBufferPointer) { self.init(bytes, 0..<bytes.count) }

    /// Over a part of the bytes, which the caller took from another reader of the same bytes.
    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        base = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// - Returns: nil at the end.
    @inline(__always)
    mutating func nextField() throws(InterchangeError) -> Field? {
        guard position < end else { return nil }
        let tag = try varint()
        guard tag >> 3 > 0, tag >> 3 <= 0x1fff_ffff, let type = WireType(rawValue: UInt8(tag & 7)) else {
            throw error("not a protobuf field")
        }
        return Field(number: UInt32(truncatingIfNeeded: tag >> 3), type: type)
    }

    @inline(__always)
    mutating func varint() throws(InterchangeError) -> UInt64 {
        if position < end, base[position] < 0x80 {
            position += 1
            return UInt64(base[position - 1])
        }
        return try longVarint()
    }

    private mutating func longVarint() throws(InterchangeError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end {
            let byte = base[position]
            position += 1
            // The tenth byte has room for one bit.
            guard shift < 63 || byte <= 1 else { throw error("a varint of more than 64 bits") }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw error("the body ends within a varint")
    }

    @inline(__always)
    mutating func fixed64() throws(InterchangeError) -> UInt64 {
        guard end - position >= 8 else { throw error("the body ends within a fixed64") }
        position += 8
        return UInt64(littleEndian: base.loadUnaligned(fromByteOffset: position - 8, as: UInt64.self))
    }

    @inline(__always)
    mutating func bytes() throws(InterchangeError) -> Range<Int> {
        let count = try varint()
        guard count <= UInt64(end - position) else { throw error("a length beyond the end of its message") }
        let start = position
        position += Int(truncatingIfNeeded: count)
        return start..<position
    }

    mutating func skip(_ type: WireType) throws(InterchangeError) {
        switch type {
        case .varint: _ = try varint()
        case .fixed64: _ = try fixed64()
        case .bytes: _ = try bytes()
        case .fixed32:
            guard end - position >= 4 else { throw error("the body ends within a fixed32") }
            position += 4
        }
    }

    @inline(__always)
    mutating func double() throws(InterchangeError) -> Double { Double(bitPattern: try fixed64()) }

    @inline(__always)
    mutating func int64() throws(InterchangeError) -> Int64 { Int64(bitPattern: try varint()) }

    /// - Throws: when the bytes are not UTF-8, as proto3 demands.
    mutating func string() throws(InterchangeError) -> String { try string(try bytes()) }

    func string(_ range: Range<Int>) throws(InterchangeError) -> String {
        guard let text = String(validating: base[range], as: UTF8.self) else {
            throw InterchangeError(.byte(range.lowerBound), "invalid UTF-8")
        }
        return text
    }

    @inline(never)
    func error(_ reason: String) -> InterchangeError { InterchangeError(.byte(position), reason) }
}
