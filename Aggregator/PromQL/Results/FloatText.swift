import Glibc

/// Numbers as Go prints them.
package enum FloatText {
    /// `strconv.FormatFloat(value, 'f', -1, 64)`: the shortest decimal that reads back, without an exponent.
    package static func plain(_ value: Double) -> String {
        if let special = special(value) { return special }
        let (isNegative, digits, exponent) = decimal(value)
        return (isNegative ? "-" : "") + positional(digits, exponent)
    }

    /// `%g`: the shortest decimal, with an exponent below 1e-4 and from `limit` digits before the point on (`%v`: 21).
    static func shortest(_ value: Double, exponentFrom limit: Int = 6) -> String {
        if let special = special(value) { return special }
        let (isNegative, digits, exponent) = decimal(value)
        let sign = isNegative ? "-" : ""
        let scientific = exponent - 1
        if value != 0, scientific < -4 || scientific >= limit { return sign + scientificText(digits, scientific) }
        return sign + positional(digits, exponent)
    }

    /// As OpenMetrics writes label values that are numbers: with a point or an exponent.
    static func openMetrics(_ value: Double) -> String {
        let text = shortest(value, exponentFrom: 21)
        return value.isFinite && !text.contains(where: { $0 == "." || $0 == "e" }) ? text + ".0" : text
    }

    /// `%.nf`.
    static func fixed(_ value: Double, _ places: Int) -> String {
        if let special = special(value) { return special }
        return formatted("%.*f", places, value)
    }

    /// `%.ng`, which drops trailing zeros.
    static func significant(_ value: Double, _ digits: Int) -> String {
        if let special = special(value) { return special }
        return formatted("%.*g", digits, value)
    }

    private static func formatted(_ format: StaticString, _ precision: Int, _ value: Double) -> String {
        var buffer = [CChar](repeating: 0, count: 400)
        let written = format.withUTF8Buffer { bytes -> Int32 in
            bytes.withMemoryRebound(to: CChar.self) { pointer -> Int32 in
                guard let base = pointer.baseAddress else { return 0 }
                return withVaList([Int32(truncatingIfNeeded: precision), value]) {
                    vsnprintf(&buffer, buffer.count, base, $0)
                }
            }
        }
        let length = max(0, min(Int(written), buffer.count - 1))
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func special(_ value: Double) -> String? {
        value.isNaN ? "NaN" : value.isInfinite ? (value > 0 ? "+Inf" : "-Inf") : nil
    }

    /// The shortest digits and where the decimal point stands: 0.digits × 10^exponent.
    private static func decimal(_ value: Double) -> (isNegative: Bool, digits: [UInt8], exponent: Int) {
        let isNegative = value.sign == .minus
        guard value != 0 else { return (isNegative, [UInt8(ascii: "0")], 1) }
        // Swift prints the shortest digits that read back, as Go does.
        var digits: [UInt8] = []
        var exponent = 0
        var hasPoint = false
        var power = 0
        let text = Array(value.magnitude.description.utf8)
        var index = 0
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "."): hasPoint = true
            case UInt8(ascii: "e"):
                power = Int(String(decoding: text[(index + 1)...], as: UTF8.self)) ?? 0
                index = text.count
                continue
            default:
                digits.append(text[index])
                if !hasPoint { exponent += 1 }
            }
            index += 1
        }
        exponent += power
        while digits.first == UInt8(ascii: "0"), digits.count > 1 {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.last == UInt8(ascii: "0"), digits.count > 1 { digits.removeLast() }
        return (isNegative, digits, exponent)
    }

    private static func positional(_ digits: [UInt8], _ exponent: Int) -> String {
        let text = String(decoding: digits, as: UTF8.self)
        if exponent <= 0 { return "0." + String(repeating: "0", count: -exponent) + text }
        if exponent >= digits.count { return text + String(repeating: "0", count: exponent - digits.count) }
        return String(decoding: digits[..<exponent], as: UTF8.self) + "."
            + String(decoding: digits[exponent...], as: UTF8.self)
    }

    /// The exponent has at least two digits.
    static func scientificText(_ digits: [UInt8], _ exponent: Int) -> String {
        let power = "\(abs(exponent))"
        return String(decoding: digits[..<1], as: UTF8.self)
            + (digits.count > 1 ? "." + String(decoding: digits[1...], as: UTF8.self) : "") + "e"
            + (exponent < 0 ? "-" : "+") + (power.utf8.count < 2 ? "0" : "") + power
    }

    /// `strconv.FormatFloat(value, 'e', -1, 64)`.
    static func scientific(_ value: Double) -> String {
        if let special = special(value) { return special }
        let (isNegative, digits, exponent) = decimal(value)
        return (isNegative ? "-" : "") + scientificText(digits, value == 0 ? 0 : exponent - 1)
    }
}
