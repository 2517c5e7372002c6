/// Numbers as the text formats write them.
///
/// The grammar is OpenMetrics 1.0's ABNF, which is also what Prometheus takes (Go's `ParseFloat` without hexadecimal
/// floats and underscores): decimal digits with optional sign, point and exponent; `inf`, `infinity` with optional
/// sign and `nan` in any case.
enum NumberText {
    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]
    /// Exponents saturate here: far outside of a float64's range, and far from overflowing an `Int`.
    private static let exponentMax = 1_000_000

    /// A number or one of `inf`, `infinity`, `nan`.
    /// - Returns: nil when the text is not of that form, or is finite and does not fit a float64.
    static func number(_ text: UnsafeRawBufferPointer) -> Double? {
        real(text) ?? special(text)
    }

    /// A finite decimal number.
    ///
    /// With a mantissa of at most 2^53 and a power of ten up to 22, one multiplication or division is exact
    /// (Clinger 1990); anything else goes through the standard library.
    static func real(_ text: UnsafeRawBufferPointer) -> Double? {
        var index = 0
        let isNegative = text.first == UInt8(ascii: "-")
        if isNegative || text.first == UInt8(ascii: "+") { index = 1 }
        var mantissa: UInt64 = 0
        var isLong = false
        var digits = 0
        var exponent = 0
        func append(_ digit: UInt8) {
            digits += 1
            if mantissa > (UInt64.max - 9) / 10 { isLong = true }
            mantissa = mantissa &* 10 &+ UInt64(digit)
        }
        while index < text.count, let digit = decimal(text[index]) {
            append(digit)
            index += 1
        }
        if index < text.count, text[index] == UInt8(ascii: ".") {
            index += 1
            while index < text.count, let digit = decimal(text[index]) {
                append(digit)
                exponent -= 1
                index += 1
            }
        }
        guard digits > 0 else { return nil }
        if index < text.count, text[index] | 0x20 == UInt8(ascii: "e") {
            guard let written = self.exponent(text, from: &index) else { return nil }
            exponent += written
        }
        guard index == text.count else { return nil }
        if !isLong, mantissa <= 1 << 53, abs(exponent) <= 22 {
            let power = powersOfTen[abs(exponent)]
            let magnitude = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
            return isNegative ? -magnitude : magnitude
        }
        return Double(String(decoding: text, as: UTF8.self)).flatMap { $0.isFinite ? $0 : nil }
    }

    private static func exponent(_ text: UnsafeRawBufferPointer, from index: inout Int) -> Int? {
        index += 1
        var isNegative = false
        if index < text.count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
            isNegative = text[index] == UInt8(ascii: "-")
            index += 1
        }
        let start = index
        var value = 0
        while index < text.count, let digit = decimal(text[index]) {
            value = min(value * 10 + Int(digit), exponentMax)
            index += 1
        }
        guard index > start else { return nil }
        return isNegative ? -value : value
    }

    private static func special(_ text: UnsafeRawBufferPointer) -> Double? {
        var word = text
        let isNegative = text.first == UInt8(ascii: "-")
        let isSigned = isNegative || text.first == UInt8(ascii: "+")
        if isSigned { word = UnsafeRawBufferPointer(rebasing: text.dropFirst()) }
        if equals(word, "inf") || equals(word, "infinity") { return isNegative ? -.infinity : .infinity }
        if !isSigned, equals(word, "nan") { return .nan }
        return nil
    }

    /// Whether the text is the lower-case ASCII word, in any case.
    private static func equals(_ text: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        guard text.count == word.utf8CodeUnitCount else { return false }
        for index in 0..<text.count where text[index] | 0x20 != word.utf8Start[index] { return false }
        return true
    }

    @inline(__always)
    private static func decimal(_ byte: UInt8) -> UInt8? {
        let value = byte &- UInt8(ascii: "0")
        return value < 10 ? value : nil
    }

    /// Seconds as whole milliseconds, rounded; saturates at the ends of `Int64`.
    static func milliseconds(seconds: Double) -> Int64 {
        let value = (seconds * 1000).rounded()
        if let exact = Int64(exactly: value) { return exact }
        return value < 0 ? .min : .max
    }

    static func number(_ text: String) -> Double? {
        var text = text
        return text.withUTF8 { number(UnsafeRawBufferPointer($0)) }
    }
}
