/// The inner loops of the encoder, free of state.
extension ValueColumnEncoder {
    /// The greatest common divisor of the differences, 1 when it gains nothing.
    /// - Parameter all: the OR of all magnitudes, not 0.
    static func commonDivisor(_ differences: UnsafePointer<Int64>, count: Int, all: UInt64) -> Int64 {
        let shift = UInt64(all.trailingZeroBitCount)
        var divisor: UInt64 = 0
        for index in 0..<count {
            let magnitude = differences[index].magnitude &>> shift
            if magnitude == 0 { continue }
            if divisor == 0 {
                divisor = magnitude
            } else if magnitude % divisor != 0 {
                divisor = greatestCommonDivisor(divisor, magnitude % divisor)
            }
            if divisor == 1 { break }
        }
        return Int64(bitPattern: divisor &<< shift)
    }

    private static func greatestCommonDivisor(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var (larger, smaller) = (left, right)
        while smaller != 0 { (larger, smaller) = (smaller, larger % smaller) }
        return larger
    }

    /// - Precondition: `divisor` > 1 divides all of them.
    static func divide(_ differences: UnsafeMutablePointer<Int64>, count: Int, by divisor: Int64) {
        if divisor & (divisor - 1) == 0 {
            let shift = Int64(divisor.trailingZeroBitCount)
            for index in 0..<count { differences[index] &>>= shift }
        } else {
            for index in 0..<count { differences[index] /= divisor }
        }
    }

    /// Writes the stream of an integer kind.
    /// - Parameter at: has room for ten bytes per difference.
    /// - Returns: behind the last byte written.
    static func writeDifferences(
        _ differences: UnsafeMutablePointer<Int64>, count: Int, _ kind: ValueClass.Kind,
        at: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        // First the codes in place, then the bytes: both loops stay tight.
        var all: UInt64 = 0
        switch kind {
        case .rising:
            for index in 0..<count { all |= UInt64(bitPattern: differences[index]) }
        case .delta:
            for index in 0..<count {
                let code = ByteColumn.zigzag(differences[index])
                differences[index] = Int64(bitPattern: code)
                all |= code
            }
        default:
            var before: Int64 = 0
            for index in 0..<count {
                let code = ByteColumn.zigzag(differences[index] - before)
                before = differences[index]
                differences[index] = Int64(bitPattern: code)
                all |= code
            }
        }
        if all < 0x80 {
            for index in 0..<count { at[index] = UInt8(truncatingIfNeeded: differences[index]) }
            return at + count
        }
        var pointer = at
        for index in 0..<count {
            pointer = ByteColumn.write(varint: UInt64(bitPattern: differences[index]), at: pointer)
        }
        return pointer
    }

    static func hash(_ bytes: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var hash: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(count)
        var offset = 0
        while offset + 8 <= count {
            hash = (hash ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash >> 32
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < count {
            tail = tail << 8 | UInt64(bytes.load(fromByteOffset: offset, as: UInt8.self))
            offset += 1
        }
        hash = (hash ^ tail) &* 0xc4ce_b9fe_1a85_ec53
        return hash ^ hash >> 29
    }

    static func equal(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ count: Int) -> Bool {
        var offset = 0
        while offset + 8 <= count {
            guard
                left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    == right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            else { return false }
            offset += 8
        }
        while offset < count {
            guard
                left.load(fromByteOffset: offset, as: UInt8.self) == right.load(fromByteOffset: offset, as: UInt8.self)
            else { return false }
            offset += 1
        }
        return true
    }
}
