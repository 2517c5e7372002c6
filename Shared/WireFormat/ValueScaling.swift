/// Turns doubles into integers and back without losing a bit.
enum ValueScaling {
    /// Integers beyond this magnitude are left to XOR: below it, both the rounding trick and the
    /// division in decoding are exact.
    static let magnitudeMax = 2_251_799_813_685_248.0  // 2^51

    /// Adding 1.5 × 2^52 leaves the integer nearest to a double in the low bits of the sum.
    private static let rounder = 6_755_399_441_055_744.0

    /// Scales all values by the smallest power of ten that makes every one a whole number which
    /// divides back to the same bits (so never -0.0, NaN or an infinity).
    /// - Returns: the index of the power in ``ValueClass/exponents``, nil when none fits.
    static func scale(
        _ values: UnsafePointer<Double>, count: Int, into integers: UnsafeMutablePointer<Int64>
    ) -> Int? {
        var exponentIndex = 0
        var index = wholeNumbers(values, count: count, into: integers)
        while index < count {
            // The value at `index` needs a higher power; find it, then take all values again.
            exponentIndex += 1
            while exponentIndex < ValueClass.exponents.count, integer(values[index], exponentIndex) == nil {
                exponentIndex += 1
            }
            guard exponentIndex < ValueClass.exponents.count else { return nil }
            index = scaled(values, count: count, exponentIndex, into: integers)
        }
        return exponentIndex
    }

    /// - Returns: nil when the value does not come back from this power.
    @inline(__always)
    static func integer(_ value: Double, _ exponentIndex: Int) -> Int64? {
        let scale = ValueClass.scale(exponentIndex)
        let wide = value * scale
        guard wide.magnitude < magnitudeMax else { return nil }
        let whole = Int64(bitPattern: (wide + rounder).bitPattern &- rounder.bitPattern)
        guard (Double(whole) / scale).bitPattern == value.bitPattern else { return nil }
        return whole
    }

    private static func wholeNumbers(
        _ values: UnsafePointer<Double>, count: Int, into integers: UnsafeMutablePointer<Int64>
    ) -> Int {
        for index in 0..<count {
            let value = values[index]
            guard value.magnitude < magnitudeMax else { return index }
            let whole = Int64(bitPattern: (value + rounder).bitPattern &- rounder.bitPattern)
            guard Double(whole).bitPattern == value.bitPattern else { return index }
            integers[index] = whole
        }
        return count
    }

    private static func scaled(
        _ values: UnsafePointer<Double>, count: Int, _ exponentIndex: Int,
        into integers: UnsafeMutablePointer<Int64>
    ) -> Int {
        for index in 0..<count {
            guard let whole = integer(values[index], exponentIndex) else { return index }
            integers[index] = whole
        }
        return count
    }
}
