/// Prometheus' XOR chunk, version of its TSDB format 1 (prometheus/tsdb/docs/format/chunks.md).
///
///     samples (u16, big-endian), then bits, most significant first:
///     sample 0   timestamp (zigzag varint), value (64 bits)
///     sample 1   timestamp's delta (varint), value's XOR
///     others     delta of deltas, value's XOR
///
///     delta of deltas   0 → 0;  10 + 14 bits, 110 + 17, 1110 + 20 when it lies in -(2^(n-1)-1)...2^(n-1); 1111 + 64
///     value's XOR       0 → same;  10 + bits of the former window;  11 + leading zeros (5) + width (6, 0: 64) + bits
public enum XORChunk {
    /// Samples of one chunk: its count has 16 bits.
    public static let samplesMax = Int(UInt16.max)

    /// - Parameters: at most ``samplesMax`` samples; timestamps in milliseconds, ascending.
    static func encode(_ timestamps: ArraySlice<Int64>, _ values: ArraySlice<Double>) -> [UInt8] {
        precondition(
            timestamps.count == values.count && timestamps.count <= samplesMax,
            "\(timestamps.count) timestamps, \(values.count) values")
        var bits = BitWriter()
        bits.bytes = [UInt8(truncatingIfNeeded: timestamps.count >> 8), UInt8(truncatingIfNeeded: timestamps.count)]
        var window = Window()
        var delta: Int64 = 0
        var former: (time: Int64, value: UInt64) = (0, 0)
        for (index, (time, value)) in zip(timestamps, values).enumerated() {
            switch index {
            case 0:
                // Go's PutVarint.
                bits.varint(UInt64(bitPattern: time &<< 1) ^ UInt64(bitPattern: time >> 63))
                bits.write(value.bitPattern, count: 64)
            case 1:
                delta = time &- former.time
                bits.varint(UInt64(bitPattern: delta))
                window.write(value.bitPattern ^ former.value, &bits)
            default:
                let next = time &- former.time
                write(deltaOfDeltas: next &- delta, &bits)
                delta = next
                window.write(value.bitPattern ^ former.value, &bits)
            }
            former = (time, value.bitPattern)
        }
        return bits.finish()
    }

    private static func write(deltaOfDeltas number: Int64, _ bits: inout BitWriter) {
        let raw = UInt64(bitPattern: number)
        func fits(_ count: Int64) -> Bool { -(1 << (count - 1) - 1) <= number && number <= 1 << (count - 1) }
        if number == 0 {
            bits.write(0, count: 1)
        } else if fits(14) {
            bits.write(0b10, count: 2)
            bits.write(raw, count: 14)
        } else if fits(17) {
            bits.write(0b110, count: 3)
            bits.write(raw, count: 17)
        } else if fits(20) {
            bits.write(0b1110, count: 4)
            bits.write(raw, count: 20)
        } else {
            bits.write(0b1111, count: 4)
            bits.write(raw, count: 64)
        }
    }

    /// Where the bits that changed stood last time.
    private struct Window {
        /// Over 31 leading zeros cannot be said; none yet: 255.
        var leading = 255
        var trailing = 0

        mutating func write(_ difference: UInt64, _ bits: inout BitWriter) {
            guard difference != 0 else {
                bits.write(0, count: 1)
                return
            }
            let newLeading = min(31, difference.leadingZeroBitCount)
            let newTrailing = difference.trailingZeroBitCount
            if leading != 255, newLeading >= leading, newTrailing >= trailing {
                bits.write(0b10, count: 2)
                bits.write(difference >> UInt64(trailing), count: 64 - leading - trailing)
                return
            }
            (leading, trailing) = (newLeading, newTrailing)
            let width = 64 - leading - trailing
            bits.write(0b11, count: 2)
            bits.write(UInt64(leading), count: 5)
            // 64 does not fit and is written as 0, which else could not be.
            bits.write(UInt64(width & 63), count: 6)
            bits.write(difference >> UInt64(trailing), count: width)
        }
    }
}

private struct BitWriter {
    var bytes: [UInt8] = []
    /// Unused bits of the last byte.
    private var room = 0
    private var endsWithByte = false

    /// Like Prometheus: whole bytes that end on a byte's edge leave an empty one behind.
    mutating func finish() -> [UInt8] {
        if room == 0, endsWithByte { bytes.append(0) }
        return bytes
    }

    /// The lowest `count` bits, the most significant of them first.
    mutating func write(_ value: UInt64, count: Int) {
        var left = count
        endsWithByte = count % 8 == 0
        while left > 0 {
            if room == 0 {
                bytes.append(0)
                room = 8
            }
            let part = min(left, room)
            let piece = value >> UInt64(left - part) & (1 << UInt64(part) - 1)
            bytes[bytes.count - 1] |= UInt8(truncatingIfNeeded: piece << UInt64(room - part))
            room -= part
            left -= part
        }
    }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            write(rest & 0x7f | 0x80, count: 8)
            rest >>= 7
        }
        write(rest, count: 8)
    }
}
