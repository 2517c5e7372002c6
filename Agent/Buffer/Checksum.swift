/// A 64-bit checksum against accidents of the medium (not against an attacker: the sealed payload has its own tag).
///
/// Each step is a bijection of the state for a given word and of the word for a given state, so a change within one
/// word is always seen; other changes escape with odds of about 2^-64.
struct Checksum {
    private(set) var value: UInt64 = 0x9ae1_6a3b_2f90_404f

    mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
        value ^= value >> 29
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        add(UInt64(bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        var last: UInt64 = 0
        while offset < bytes.count {
            last = last << 8 | UInt64(bytes[offset])
            offset += 1
        }
        add(last)
    }

    static func of(_ bytes: UnsafeRawBufferPointer, _ words: UInt64...) -> Int64 {
        var sum = Checksum()
        for word in words { sum.add(word) }
        sum.add(bytes)
        return Int64(bitPattern: sum.value)
    }
}
