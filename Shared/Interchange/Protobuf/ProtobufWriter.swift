/// Appends fields in protocol buffers' wire format.
struct ProtobufWriter {
    var bytes: [UInt8] = []

    mutating func varint(_ number: UInt32, _ value: UInt64) {
        append(UInt64(number) << 3)
        append(value)
    }

    mutating func double(_ number: UInt32, _ value: Double) {
        append(UInt64(number) << 3 | 1)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func bytes(_ number: UInt32, _ value: some Collection<UInt8>) {
        append(UInt64(number) << 3 | 2)
        append(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// An element of a packed field, without a tag.
    mutating func packedVarint(_ value: UInt64) { append(value) }

    private mutating func append(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
