// A value class: one byte per series that says how its values are kept.
//
//   bits 0-2  kind, as in ValueClass.Kind
//   bits 3-5  index into ValueClass.exponents: integers are values times ten to that power
//   bit  6    a multiplier stands in the multipliers column; differences are multiples of it
//   bit  7    the series shares the stream of an earlier one; the distance stands in the references column
//
// Rules: kinds zero, rawConstant and xor have exponent 0 and no multiplier; only kinds with a stream
// may have bits 6 and 7. Kind packed occurs in chunk groups from version 2 on only.

/// How the values of one series are kept.
struct ValueClass: Equatable {
    enum Kind: UInt8 {
        /// All values are +0.0.
        case zero = 0
        /// All values equal the first, an integer after scaling.
        case constant = 1
        /// All values equal the first, eight bytes as they are.
        case rawConstant = 2
        /// Differences, none negative, as varints.
        case rising = 3
        /// Differences as zigzag varints.
        case delta = 4
        /// The first difference, then differences of differences, as zigzag varints.
        case deltaOfDelta = 5
        /// Bits differing from the value before, as their significant bytes.
        case xor = 6
        /// Residuals of integers, decimals or bits as a ``PackedStream``.
        case packed = 7
    }

    static let multiplierBit: UInt8 = 0x40
    static let referenceBit: UInt8 = 0x80
    /// Powers of ten that are tried in order. Those between are covered by the next and a multiplier.
    static let exponents: [Int] = [0, 1, 2, 3, 4, 6, 9, 12]

    var rawValue: UInt8

    init(rawValue: UInt8) { self.rawValue = rawValue }
    init(_ kind: Kind, exponentIndex: Int = 0) { rawValue = kind.rawValue | UInt8(exponentIndex << 3) }

    var kind: Kind? { Kind(rawValue: rawValue & 7) }
    var exponentIndex: Int { Int(rawValue >> 3 & 7) }

    /// Ten to the power at `exponentIndex`, 0...7; exact.
    @inline(__always)
    static func scale(_ exponentIndex: Int) -> Double {
        switch exponentIndex {
        case 0: 1
        case 1: 10
        case 2: 100
        case 3: 1000
        case 4: 10_000
        case 5: 1_000_000
        case 6: 1_000_000_000
        default: 1_000_000_000_000
        }
    }
}
