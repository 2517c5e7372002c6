/// The prefix codes of packed streams: fixed, so that no stream carries one. FORMAT.md lists them, "Packed stream".
///
/// Each is made for one scale of noise: the first half for the absolute values of a normal distribution, the second for
/// an exponential one. Codes are canonical (RFC 1951, section 3.2.2): by length, then by symbol, first bit first.
enum PackedCode {
    /// No code is longer, bits.
    static let lengthMax = 11
    static let tableBits = 11
    static let tableEntries = 1 << tableBits

    /// The lengths of the codes of symbols 0, 1, …, one hexadecimal digit each; the last symbol is the escape.
    static let lengths: [[UInt8]] = [
        "122", "1233", "12344", "123455", "12345677", "22234567899", "2333344456789aa", "333333445556789abb",
        "333334444556677789abb", "333344444455667788999abb",
        "1233", "12344", "1234566", "123456788", "123456789abb", "1234568899aabbbb", "2233445566778899aabbbb",
        "2333444555666777888999aabbbbbba", "23334445556667788889999aaabbbbbbbbbb",
        "333344445555666677778888999aaaabbbbbbbbbbbb", "33344444555556666677777888889999aaaaabbbbbbbbbbbbbb",
    ].map { text in text.utf8.map { $0 < 0x60 ? $0 - 0x30 : $0 - 0x61 + 10 } }
    static let all = Array(lengths.indices)
    /// The numbers of the codes that are worth trying when symbols are parts of larger values.
    static let coarse = [5, 6, 7, 8, 9, 16, 17, 18, 19, 20]

    /// The escape symbol of each code.
    static let escapes: [Int] = lengths.map { $0.count - 1 }

    /// Per code ``tableEntries`` of what the next bits mean: up to two symbols.
    static let decoding: [Entry] = {
        var table = [Entry](repeating: Entry(), count: lengths.count * tableEntries)
        for code in lengths.indices {
            let start = code * tableEntries
            for (symbol, bits) in codes[code].enumerated() {
                let length = Int(lengths[code][symbol])
                for rest in 0..<1 << (tableBits - length) {
                    var entry = Entry()
                    entry.first = UInt8(symbol)
                    entry.firstLength = UInt8(length)
                    entry.count = symbol == escapes[code] ? 0 : 1
                    entry.length = UInt8(length)
                    table[start + Int(bits) + rest << length] = entry
                }
            }
            let single = Array(table[start..<start + tableEntries])
            for bits in single.indices where single[bits].count > 0 {
                // What follows counts if all of its bits are there.
                let second = single[bits >> Int(single[bits].length)]
                guard second.count > 0, second.length + single[bits].length <= tableBits else { continue }
                table[start + bits].second = second.first
                table[start + bits].count = 2
                table[start + bits].length += second.length
            }
        }
        return table
    }()

    /// Bits of the word: 0-5 the length of all symbols, 6-7 how many there are (0: the escape, of that length),
    /// 8-15 the length of the first, 16-23 the first, 24-31 the second symbol.
    struct Entry {
        var word: UInt32 = 0

        @inline(__always) var length: UInt8 {
            get { UInt8(truncatingIfNeeded: word & 0x3f) }
            set { word = word & ~0x3f | UInt32(newValue) }
        }
        @inline(__always) var count: Int {
            get { Int(word >> 6 & 3) }
            set { word = word & ~0xc0 | UInt32(newValue) << 6 }
        }
        @inline(__always) var firstLength: UInt8 {
            get { UInt8(truncatingIfNeeded: word >> 8) }
            set { word = word & ~0xff00 | UInt32(newValue) << 8 }
        }
        @inline(__always) var first: UInt8 {
            get { UInt8(truncatingIfNeeded: word >> 16) }
            set { word = word & ~0xff_0000 | UInt32(newValue) << 16 }
        }
        @inline(__always) var second: UInt8 {
            get { UInt8(truncatingIfNeeded: word >> 24) }
            set { word = word & 0xff_ffff | UInt32(newValue) << 24 }
        }
    }

    /// Per code and symbol the code's bits, the first one lowest.
    static let codes: [[UInt16]] = lengths.map { lengths in
        var codes = [UInt16](repeating: 0, count: lengths.count)
        var next: UInt16 = 0
        for length in 1...UInt8(lengthMax) {
            next <<= 1
            for symbol in lengths.indices where lengths[symbol] == length {
                for bit in 0..<UInt16(length) where next >> bit & 1 != 0 {
                    codes[symbol] |= 1 << (UInt16(length) - 1 - bit)
                }
                next += 1
            }
        }
        return codes
    }
}
