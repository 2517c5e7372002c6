import Telemetry

/// Appends JSON to bytes and hands them on in pieces, so that an answer of any size takes little memory.
struct JSONBytes {
    /// Pieces are about this long.
    static let pieceBytes = 64 << 10

    private var bytes: [UInt8] = []
    private let write: ([UInt8]) throws -> Void

    init(_ write: @escaping ([UInt8]) throws -> Void) {
        self.write = write
        bytes.reserveCapacity(Self.pieceBytes + 1024)
    }

    mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Hands on what has gathered if it is long enough.
    mutating func flushIfLong() throws {
        if bytes.count >= Self.pieceBytes { try flush() }
    }

    mutating func flush() throws {
        guard !bytes.isEmpty else { return }
        try write(bytes)
        bytes.removeAll(keepingCapacity: true)
    }

    mutating func integer(_ value: Int64) {
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        unsigned(value.magnitude, digitsMin: 1)
    }

    private mutating func unsigned(_ value: UInt64, digitsMin: Int) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { buffer in
            var rest = value
            var place = buffer.count
            repeat {
                place -= 1
                buffer[place] = UInt8(truncatingIfNeeded: rest % 10) + UInt8(ascii: "0")
                rest /= 10
            } while rest > 0 || buffer.count - place < digitsMin
            bytes.append(contentsOf: buffer[place...])
        }
    }

    /// Milliseconds as seconds: `1435781451.781`, whole seconds without a fraction.
    mutating func seconds(_ milliseconds: Int64) {
        if milliseconds < 0 { bytes.append(UInt8(ascii: "-")) }
        let magnitude = milliseconds.magnitude
        unsigned(magnitude / 1000, digitsMin: 1)
        let fraction = magnitude % 1000
        guard fraction != 0 else { return }
        bytes.append(UInt8(ascii: "."))
        unsigned(fraction, digitsMin: 3)
    }

    /// A sample's value in quotes, as Prometheus writes it: the shortest decimal, with an exponent below 1e-6 and from
    /// 1e21 on; `NaN`, `+Inf`, `-Inf`.
    mutating func value(_ value: Double) {
        bytes.append(UInt8(ascii: "\""))
        // Whole numbers up to 2^53 are exact and quick to print.
        if value.magnitude < 9_007_199_254_740_992, value.rounded(.towardZero) == value,
            value != 0 || value.sign == .plus
        {
            integer(Int64(value))
        } else if value.magnitude >= 1e-3, value.magnitude < 1e15 {
            // Swift prints the same as Go here.
            bytes.append(contentsOf: value.description.utf8)
        } else {
            let isScientific = value != 0 && (value.magnitude < 1e-6 || value.magnitude >= 1e21)
            bytes.append(contentsOf: (isScientific ? FloatText.scientific(value) : FloatText.plain(value)).utf8)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): raw("\\\"")
            case UInt8(ascii: "\\"): raw("\\\\")
            case 0x0a: raw("\\n")
            case 0x0d: raw("\\r")
            case 0x09: raw("\\t")
            case 0..<0x20:
                raw("\\u00")
                bytes.append(Self.hexadecimal(byte >> 4))
                bytes.append(Self.hexadecimal(byte & 15))
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }

    /// `{…}` of labels.
    mutating func labels(_ labels: LabelSet) {
        raw("{")
        for (index, label) in labels.labels.enumerated() {
            if index > 0 { raw(",") }
            string(label.name)
            raw(":")
            string(label.value)
        }
        raw("}")
    }

    mutating func strings(_ texts: [String]) {
        raw("[")
        for (index, text) in texts.enumerated() {
            if index > 0 { raw(",") }
            string(text)
        }
        raw("]")
    }
}
