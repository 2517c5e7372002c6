/// How Prometheus' OTLP receiver names things (its translation strategy `UnderscoreEscapingWithSuffixes`, the default).
enum OTLPNames {
    private static let units: [String: String] = [
        "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
        "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
        "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
        "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
        "Hz": "hertz", "1": "", "%": "percent",
    ]
    private static let perUnits: [String: String] = [
        "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
    ]

    /// Tokens of letters, digits and colons, joined by single underscores, then the unit, then `_total` for monotonic
    /// sums or `_ratio` for gauges of unit 1.
    /// - Returns: an empty string when nothing of the name can stand in a metric's name.
    static func metric(_ name: String, unit: String, isCounter: Bool, isGauge: Bool) -> String {
        var tokens = Self.tokens(name)
        guard !tokens.isEmpty else { return "" }
        let parts = unit.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let main = suffix(parts.first, units)
        let per = parts.count > 1 ? suffix(parts[1], perUnits) : ""
        if !main.isEmpty, !tokens.contains(main) { tokens.append(main) }
        if !per.isEmpty, !tokens.contains(per) { tokens += ["per", per] }
        if isCounter {
            tokens.removeAll { $0 == "total" }
            tokens.append("total")
        } else if isGauge, unit == "1" {
            tokens.removeAll { $0 == "ratio" }
            tokens.append("ratio")
        }
        let joined = tokens.joined(separator: "_")
        return joined.utf8.first.map { $0 >= 0x30 && $0 <= 0x39 } == true ? "_" + joined : joined
    }

    /// Characters that a label's name may not have become underscores. A leading digit gets `key_`, a single leading
    /// underscore `key`.
    static func label(_ name: String) -> String {
        var bytes: [UInt8] = []
        for scalar in name.unicodeScalars {
            let byte = scalar.isASCII ? UInt8(scalar.value) : 0
            bytes.append(isAlphanumeric(byte) ? byte : UInt8(ascii: "_"))
        }
        guard let first = bytes.first else { return "" }
        let text = String(decoding: bytes, as: UTF8.self)
        if first >= 0x30, first <= 0x39 { return "key_" + text }
        return text.hasPrefix("_") && !text.hasPrefix("__") ? "key" + text : text
    }

    /// The Prometheus word for one part of a unit; units in braces are annotations and are dropped.
    private static func suffix(_ part: Substring?, _ words: [String: String]) -> String {
        var part = (part ?? "")[...]
        while part.first == " " { part.removeFirst() }
        while part.last == " " { part.removeLast() }
        guard !part.isEmpty, !part.contains("{"), !part.contains("}") else { return "" }
        if let word = words[String(part)] { return word }
        return tokens(String(part)).joined(separator: "_")
    }

    private static func tokens(_ text: String) -> [String] {
        text.utf8.split { !isAlphanumeric($0) && $0 != UInt8(ascii: ":") }.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        let lower = byte | 0x20
        return (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")) || (byte >= 0x30 && byte <= 0x39)
    }
}

extension NumberText {
    /// Shortest digits that read back the same, never with an exponent: `10`, `0.005`, `+Inf`.
    static func plain(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        let text = value.description
        guard let mark = text.firstIndex(of: "e"), let exponent = Int(text[text.index(after: mark)...]) else {
            return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
        }
        let isNegative = text.hasPrefix("-")
        let mantissa = text[..<mark].drop { $0 == "-" }.split(separator: ".")
        let whole = String(mantissa.first ?? "0")
        let fraction = mantissa.count > 1 && mantissa[1] != "0" ? String(mantissa[1]) : ""
        let digits = whole + fraction
        let point = whole.count + exponent
        let plain: String
        if point <= 0 {
            plain = "0." + String(repeating: "0", count: -point) + digits
        } else if point >= digits.count {
            plain = digits + String(repeating: "0", count: point - digits.count)
        } else {
            plain = "\(digits.prefix(point)).\(digits.dropFirst(point))"
        }
        return isNegative ? "-" + plain : plain
    }
}
