/// The value of a quoted text that the lexer accepted.
enum StringText {
    /// - Returns: the bytes, which `\x` escapes may make invalid UTF-8.
    static func decode(_ quoted: String) -> [UInt8] {
        let source = Array(quoted.utf8.dropFirst().dropLast())
        guard quoted.utf8.first != UInt8(ascii: "`") else { return source.filter { $0 != UInt8(ascii: "\r") } }
        var result: [UInt8] = []
        result.reserveCapacity(source.count)
        var position = 0
        func number(_ count: Int, _ radix: Int) -> UInt32 {
            let digits = source[position..<min(position + count, source.count)]
            position += digits.count
            return UInt32(String(decoding: digits, as: UTF8.self), radix: radix) ?? 0
        }
        while position < source.count {
            let byte = source[position]
            position += 1
            guard byte == UInt8(ascii: "\\"), position < source.count else {
                result.append(byte)
                continue
            }
            let escape = source[position]
            position += 1
            switch escape {
            case UInt8(ascii: "a"): result.append(0x07)
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0c)
            case UInt8(ascii: "n"): result.append(0x0a)
            case UInt8(ascii: "r"): result.append(0x0d)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "v"): result.append(0x0b)
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                position -= 1
                result.append(UInt8(truncatingIfNeeded: number(3, 8)))
            case UInt8(ascii: "x"): result.append(UInt8(truncatingIfNeeded: number(2, 16)))
            case UInt8(ascii: "u"), UInt8(ascii: "U"):
                let value = number(escape == UInt8(ascii: "u") ? 4 : 8, 16)
                let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
                result.append(contentsOf: String(Character(scalar)).utf8)
            default: result.append(escape)
            }
        }
        return result
    }
}

enum NumberText {
    /// Integers in Go's notations (`0x1F`, `017`, `0b1`, underscores), decimals, `Inf`, `NaN`.
    static func value(_ text: String) -> Double? {
        let lower = text.lowercased()
        if lower == "inf" { return .infinity }
        if lower == "nan" { return .nan }
        let plain = String(lower.filter { $0 != "_" })
        if plain.hasPrefix("0x") { return Int64(plain.dropFirst(2), radix: 16).map(Double.init) ?? Double(plain) }
        if plain.utf8.count > 1, plain.hasPrefix("0"), plain.utf8.allSatisfy({ (48...55).contains($0) }) {
            return Int64(plain, radix: 8).map(Double.init)
        }
        return Double(plain.hasSuffix(".") ? String(plain.dropLast()) : plain)
    }
}

/// Prometheus' durations: `1y2w3d4h5m6s7ms`, units in this order, each at most once.
package enum DurationText {
    static let units: [(name: String, milliseconds: Int64)] = [
        ("y", 365 * 86_400_000), ("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000),
        ("s", 1000), ("ms", 1),
    ]

    /// - Returns: milliseconds; nil when the text is no duration or longer than some 292 years (Go's limit).
    package static func milliseconds(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        var rest = Substring(text)
        var total: Int64 = 0
        var nextUnit = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let name = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(name.count)
            guard let count = Int64(digits), let unit = units[nextUnit...].firstIndex(where: { $0.name == name })
            else { return nil }
            nextUnit = unit + 1
            let (part, isTooLong) = count.multipliedReportingOverflow(by: units[unit].milliseconds)
            let (sum, overflows) = total.addingReportingOverflow(part)
            guard !isTooLong, !overflows, sum <= Int64.max / 1_000_000 else { return nil }
            total = sum
        }
        return total
    }

    /// As Prometheus prints durations: years and weeks only where they divide the whole.
    package static func format(_ milliseconds: Int64) -> String {
        guard milliseconds != 0 else { return "0s" }
        var rest = milliseconds.magnitude
        var result = milliseconds < 0 ? "-" : ""
        for (name, length) in units {
            let length = UInt64(length)
            let isWhole = name == "y" || name == "w"
            if isWhole, rest % length != 0 { continue }
            if rest >= length {
                result += "\(rest / length)\(name)"
                rest %= length
            }
        }
        return result
    }
}
