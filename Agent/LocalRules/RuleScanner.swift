/// The bytes of a rule's text and a position in them.
struct RuleScanner {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { position >= bytes.count }
    var next: UInt8? { isAtEnd ? nil : bytes[position] }

    mutating func skipSpace() { while next == 0x20 || next == 0x09 { position += 1 } }

    /// Takes `text` if it stands here, after space.
    mutating func take(_ text: String) -> Bool {
        skipSpace()
        guard bytes[position...].starts(with: text.utf8) else { return false }
        position += text.utf8.count
        return true
    }

    mutating func expect(_ text: String) throws(RuleError) {
        guard take(text) else { throw error("\"\(text)\"") }
    }

    /// Letters, digits and what `isMore` takes, the first of them no digit, after space; empty if there are none.
    mutating func word(_ isMore: (UInt8) -> Bool = { $0 == UInt8(ascii: "_") }) -> String {
        skipSpace()
        guard let first = next, Self.isLetter(first) || isMore(first) else { return "" }
        return run { Self.isLetter($0) || Self.isDigit($0) || isMore($0) }
    }

    mutating func run(_ isPart: (UInt8) -> Bool) -> String {
        let start = position
        while let byte = next, isPart(byte) { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// A finite decimal number, after space.
    mutating func number() throws(RuleError) -> Double {
        skipSpace()
        let start = position
        if next == UInt8(ascii: "-") || next == UInt8(ascii: "+") { position += 1 }
        _ = run { Self.isDigit($0) || $0 == UInt8(ascii: ".") }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if next == UInt8(ascii: "-") || next == UInt8(ascii: "+") { position += 1 }
            _ = run(Self.isDigit)
        }
        guard let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)), value.isFinite else {
            position = start
            throw error("a number")
        }
        return value
    }

    /// `90s`, `5m`, `1h30m`; milliseconds.
    mutating func duration(_ range: ClosedRange<Int64>, _ what: String) throws(RuleError) -> Int64 {
        skipSpace()
        let start = position
        var total = 0.0
        while let byte = next, Self.isDigit(byte) {
            let number = Double(run { Self.isDigit($0) || $0 == UInt8(ascii: ".") }) ?? .nan
            let factors: [String: Double] = [
                "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000,
            ]
            total += number * (factors[run(Self.isLetter)] ?? .nan)
        }
        // Also false for what is no number.
        guard position > start, total >= Double(range.lowerBound), total <= Double(range.upperBound) else {
            position = start
            throw error(what)
        }
        return Int64(total)
    }

    /// In double or single quotes, with `\\`, `\n`, `\t` and the quote as escapes.
    mutating func quoted() throws(RuleError) -> String {
        skipSpace()
        guard let quote = next, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            throw error("a text in quotes")
        }
        position += 1
        var text: [UInt8] = []
        while let byte = next {
            position += 1
            if byte == quote { return String(decoding: text, as: UTF8.self) }
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            switch next {
            case quote, UInt8(ascii: "\\"): text.append(next ?? byte)
            case UInt8(ascii: "n"): text.append(0x0a)
            case UInt8(ascii: "t"): text.append(0x09)
            default: throw error("one of the escapes \\\\, \\n, \\t and the quote")
            }
            position += 1
        }
        throw error("a closing quote")
    }

    func error(_ expected: String) -> RuleError { error(expected, at: position) }

    func error(_ expected: String, at position: Int) -> RuleError {
        RuleError(
            position: position + 1, expected: expected,
            found: String(decoding: bytes.dropFirst(position).prefix(20), as: UTF8.self))
    }

    static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) }
    static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
