/// Doubles that are decimal numbers of fifteen significant digits, as programs that print `%.15g` send them.
///
/// All values of a series are cut to as many decimal places as the greatest has within fifteen digits. A smaller value has
/// up to three digits more, which stand apart. Fifteen digits are below 2^53 and powers of ten up to 22 are exact, so
/// that one division gives back the very double.
enum SignificantDigits {
    static let least = 100_000_000_000_000.0  // 10^14
    static let extraMax = 3

    static let powers: [Double] = {
        var powers = [1.0]
        for _ in 0..<22 + extraMax { powers.append(powers[powers.count - 1] * 10) }
        return powers
    }()

    /// Splits every value into an integer and its digits beyond that.
    /// - Parameters:
    ///   - integers: one per value.
    ///   - digits: room for three per value.
    /// - Returns: the places that the integers have, and how many digits were written; nil when a value does not come
    ///   back from fifteen digits.
    static func split(
        _ values: UnsafePointer<Double>, count: Int, into integers: UnsafeMutablePointer<Int64>,
        digits: UnsafeMutablePointer<UInt8>
    ) -> (places: Int, digits: Int)? {
        var greatest = 0.0
        for index in 0..<count { greatest = max(greatest, values[index].magnitude) }
        guard greatest.isFinite, let places = places(of: greatest) else { return nil }
        var written = 0
        for index in 0..<count {
            let value = values[index]
            var extra = 0
            while extra < extraMax, (value * powers[places + extra]).magnitude < least - 0.25 { extra += 1 }
            guard places + extra <= PackedStream.placesMax else { return nil }
            let scaled = (value * powers[places + extra]).rounded()
            guard scaled.magnitude >= least, scaled.magnitude < least * 10,
                (scaled / powers[places + extra]).bitPattern == value.bitPattern
            else { return nil }
            var whole = Int64(scaled)
            var place = written + extra
            written = place
            for _ in 0..<extra {
                place -= 1
                digits[place] = UInt8(truncatingIfNeeded: (whole % 10).magnitude)
                whole /= 10
            }
            integers[index] = whole
        }
        return (places, written)
    }

    private static func places(of greatest: Double) -> Int? {
        (0...PackedStream.placesMax).first {
            let scaled = (greatest * powers[$0]).rounded()
            return scaled >= least && scaled < least * 10
        }
    }

    /// Undoes ``split(_:count:into:digits:)`` in place.
    /// - Parameters:
    ///   - values: hold the integers' bits.
    ///   - digits: four bits each, from the end backwards, low half first.
    /// - Returns: false unless all digits were used and none is missing.
    static func join(
        _ values: UnsafeMutablePointer<Double>, count: Int, places: Int, digits: UnsafeRawBufferPointer
    ) -> Bool {
        var taken = 0
        let scale = powers[places]
        for index in 0..<count {
            let integer = Int64(bitPattern: values[index].bitPattern)
            if integer.magnitude >= 100_000_000_000_000 {
                values[index] = Double(integer) / scale
                continue
            }
            var whole = integer
            var extra = 0
            while whole.magnitude < 100_000_000_000_000, extra < extraMax, taken < digits.count * 2 {
                let byte = digits[digits.count - 1 - taken / 2]
                let digit = Int64(taken & 1 == 0 ? byte & 15 : byte >> 4)
                guard digit < 10 else { return false }
                whole = whole * 10 + (whole < 0 ? -digit : digit)
                taken += 1
                extra += 1
            }
            guard whole.magnitude >= 100_000_000_000_000 else { return false }
            values[index] = Double(whole) / powers[places + extra]
        }
        return (taken + 1) / 2 == digits.count
    }
}
