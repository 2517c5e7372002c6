/// Readings of a value's text. Each gives nil for what it does not understand.
package enum SettingValue {
    package static func boolean(_ text: String) -> Bool? {
        switch text {
        case "on", "true", "yes": true
        case "off", "false", "no": false
        default: nil
        }
    }

    /// `500 ms`, `10 s`, `5 min`, `1 h`, `2 d`, or seconds without a unit; a fraction is fine. Milliseconds.
    package static func duration(_ text: String) -> Int64? {
        guard let (number, unit) = quantity(text) else { return nil }
        let factors: [Substring: Double] = [
            "": 1000, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000,
        ]
        guard let factor = factors[unit] else { return nil }
        let milliseconds = (number * factor).rounded()
        return milliseconds <= 1e15 ? Int64(milliseconds) : nil
    }

    /// `4096`, `64 KiB`, `256 MiB`, `2 GiB`; `kB`, `MB` and `GB` are powers of a thousand.
    package static func bytes(_ text: String) -> Int? {
        guard let (number, unit) = quantity(text) else { return nil }
        let factors: [Substring: Double] = [
            "": 1, "B": 1, "KiB": 1024, "MiB": 1_048_576, "GiB": 1_073_741_824, "kB": 1e3, "MB": 1e6, "GB": 1e9,
        ]
        guard let factor = factors[unit] else { return nil }
        let bytes = (number * factor).rounded()
        return bytes <= 1e15 ? Int(bytes) : nil
    }

    package static func number(_ text: String) -> Double? {
        guard let value = Double(text), value.isFinite, !text.lowercased().contains("x") else { return nil }
        return value
    }

    /// Not negative, and finite.
    private static func quantity(_ text: String) -> (Double, Substring)? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard !digits.isEmpty, let number = Double(digits), number.isFinite else { return nil }
        return (number, text.dropFirst(digits.count).drop { $0 == " " })
    }

    package static func show(milliseconds: Int64) -> String {
        if milliseconds % 60_000 == 0, milliseconds > 60_000 { return "\(milliseconds / 60_000) min" }
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
    }

    package static func show(bytes: Int) -> String {
        if bytes >= 1_073_741_824, bytes % 1_073_741_824 == 0 { return "\(bytes / 1_073_741_824) GiB" }
        if bytes >= 1_048_576, bytes % 1_048_576 == 0 { return "\(bytes / 1_048_576) MiB" }
        return bytes >= 1024 && bytes % 1024 == 0 ? "\(bytes / 1024) KiB" : "\(bytes)"
    }
}
