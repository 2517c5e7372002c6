/// The frame around every model's bytes, little endian:
///
///     offset  size
///     0       4     magic, four letters that name the kind of model
///     4       1     version of the kind's body
///     5       n     body
///     5 + n   4     CRC-32 (IEEE 802.3) of all that stands before it
///
/// A body is valid only if it is read to its last byte.
enum ModelBytes {
    static let overheadBytes = 9

    static func framed(magic: StaticString, version: UInt8, bodyBytes: Int, _ write: (inout ByteWriter) -> Void)
        -> [UInt8]
    {
        var writer = ByteWriter(capacity: bodyBytes + overheadBytes)
        magic.withUTF8Buffer { writer.bytes.append(contentsOf: $0) }
        writer.bytes.append(version)
        write(&writer)
        writer.write(CRC32.of(writer.bytes[...]))
        return writer.bytes
    }

    /// The reader of the body, once magic, version and checksum are right.
    static func body(_ bytes: [UInt8], magic: StaticString, version: UInt8) throws(DetectionError) -> ByteReader {
        guard bytes.count >= overheadBytes else { throw .damaged("shorter than its frame") }
        let isKind = magic.withUTF8Buffer { bytes.starts(with: $0) }
        guard isKind else { throw .damaged("another kind of file") }
        let end = bytes.count - 4
        var check = ByteReader(bytes: bytes, range: end..<bytes.count)
        guard try check.uint32() == CRC32.of(bytes[..<end]) else { throw .damaged("checksum") }
        guard bytes[4] == version else { throw .version(Int(bytes[4])) }
        return ByteReader(bytes: bytes, range: 5..<end)
    }
}

struct ByteWriter {
    var bytes: [UInt8] = []

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    mutating func write(_ value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
    mutating func write(_ value: Float) { write(value.bitPattern) }
    mutating func write(_ value: Double) { write(value.bitPattern) }
}

struct ByteReader {
    private let bytes: [UInt8]
    private var position: Int
    private let end: Int

    /// - Precondition: `range` lies within `bytes`.
    init(bytes: [UInt8], range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    var remaining: Int { end - position }

    private mutating func little(_ count: Int) throws(DetectionError) -> UInt64 {
        guard remaining >= count else { throw .damaged("cut short") }
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(bytes[position + index]) << UInt64(8 * index) }
        position += count
        return value
    }
    mutating func uint8() throws(DetectionError) -> UInt8 { UInt8(truncatingIfNeeded: try little(1)) }
    mutating func uint16() throws(DetectionError) -> UInt16 { UInt16(truncatingIfNeeded: try little(2)) }
    mutating func uint32() throws(DetectionError) -> UInt32 { UInt32(truncatingIfNeeded: try little(4)) }
    /// A finite number; anything else is damage.
    mutating func float() throws(DetectionError) -> Float {
        let value = Float(bitPattern: try uint32())
        guard value.isFinite else { throw .damaged("a number that is not finite") }
        return value
    }
    /// A finite number; anything else is damage.
    mutating func double() throws(DetectionError) -> Double {
        let value = Double(bitPattern: try little(8))
        guard value.isFinite else { throw .damaged("a number that is not finite") }
        return value
    }
    mutating func slice(_ count: Int) throws(DetectionError) -> ArraySlice<UInt8> {
        guard count >= 0, remaining >= count else { throw .damaged("cut short") }
        defer { position += count }
        return bytes[position..<position + count]
    }
    func finish() throws(DetectionError) {
        guard remaining == 0 else { throw .damaged("\(remaining) bytes too many") }
    }
}

/// CRC-32 (IEEE 802.3), four bits at a time: 64 bytes of table.
enum CRC32 {
    private static let table: [UInt32] = (0..<16).map { index in
        var value = UInt32(index)
        for _ in 0..<4 { value = value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
        return value
    }

    static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var crc = UInt32.max
        let table = table
        for byte in bytes {
            crc ^= UInt32(byte)
            crc = crc >> 4 ^ table[Int(crc & 15)]
            crc = crc >> 4 ^ table[Int(crc & 15)]
        }
        return ~crc
    }
}
