/// The stream of values that no power of ten makes whole: each value's bits XORed with the one before.
///
/// Per value one control byte, low nibble: count of significant bytes (0...8), high nibble: zero bytes
/// below them (0...7, and both together at most 8); then the significant bytes, least significant first.
/// The first value stands apart, so a stream has one entry less than the series has values.
enum XORStream {
    /// - Parameter at: has room for nine bytes per value.
    /// - Returns: behind the last byte written.
    static func write(
        _ values: UnsafePointer<Double>, count: Int, at: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        var pointer = at
        var before = values[0].bitPattern
        for index in 1..<count {
            let bits = values[index].bitPattern
            let differing = bits ^ before
            before = bits
            if differing == 0 {
                pointer.pointee = 0
                pointer += 1
                continue
            }
            let low = differing.trailingZeroBitCount >> 3
            let significant = 8 - low - differing.leadingZeroBitCount >> 3
            pointer.pointee = UInt8(low << 4 | significant)
            pointer += 1
            var rest = differing >> UInt64(low * 8)
            for _ in 0..<significant {
                pointer.pointee = UInt8(truncatingIfNeeded: rest)
                pointer += 1
                rest >>= 8
            }
        }
        return pointer
    }

    /// - Returns: false unless exactly `length` bytes give exactly `count - 1` further values.
    static func read(
        _ bytes: UnsafePointer<UInt8>, length: Int, first: UInt64, count: Int, into values: UnsafeMutablePointer<Double>
    ) -> Bool {
        var pointer = bytes
        let end = bytes + length
        var bits = first
        values[0] = Double(bitPattern: bits)
        for index in 1..<count {
            guard pointer < end else { return false }
            let control = pointer.pointee
            pointer += 1
            let low = Int(control >> 4)
            let significant = Int(control & 15)
            guard low + significant <= 8, end - pointer >= significant else { return false }
            var differing: UInt64 = 0
            if end - pointer >= 8 {
                let word = UInt64(littleEndian: UnsafeRawPointer(pointer).loadUnaligned(as: UInt64.self))
                let kept = significant == 0 ? 0 : word &<< UInt64(64 - 8 * significant)
                differing = kept &>> UInt64(64 - 8 * (low + significant))
            } else {
                for byte in 0..<significant { differing |= UInt64(pointer[byte]) &<< UInt64(8 * (low + byte)) }
            }
            pointer += significant
            bits ^= differing
            values[index] = Double(bitPattern: bits)
        }
        return pointer == end
    }
}
