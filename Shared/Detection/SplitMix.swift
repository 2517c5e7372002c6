/// SplitMix64 (Steele, Lea, Flood 2014), seeded by one draw from the caller's generator. Concrete, because generics are
/// not specialised across modules and growing trees draws numbers in its inner loop.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }
    init(from generator: inout some RandomNumberGenerator) { state = generator.next() }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// Uniform in `0..<bound`, by a multiplication (Lemire 2019, without the rejection: the bias is below bound / 2³²).
    /// - Precondition: `bound` is at least 1 and below 2³².
    mutating func index(below bound: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(truncatingIfNeeded: bound)) >> 32)
    }

    /// Uniform in 0..<1, in steps of 2⁻⁵³.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
