package import Telemetry

/// A JSON value to be written; objects keep the order given.
package enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    package static func text(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
    package static func count(_ value: UInt64) -> JSON { .integer(Int64(clamping: value)) }
    /// RFC 3339.
    package static func time(_ value: Timestamp?) -> JSON { value.map { .string(InternetTime.format($0)) } ?? .null }

    package var encoded: [UInt8] {
        var writer = JSONWriter()
        writer.write(self)
        return writer.bytes
    }
}

/// Appends JSON text to bytes; what large exports are made with.
package struct JSONWriter: Sendable {
    package var bytes: [UInt8] = []
    package init() {}

    package mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }
    package mutating func byte(_ character: Unicode.Scalar) { bytes.append(UInt8(truncatingIfNeeded: character.value)) }

    package mutating func write(_ value: JSON) {
        switch value {
        case .null: raw("null")
        case .bool(let flag): flag ? raw("true") : raw("false")
        case .integer(let integer): write(integer)
        case .number(let number): write(number)
        case .string(let text): write(text)
        case .array(let items):
            byte("[")
            for (index, item) in items.enumerated() {
                if index > 0 { byte(",") }
                write(item)
            }
            byte("]")
        case .object(let members):
            byte("{")
            for (index, member) in members.enumerated() {
                if index > 0 { byte(",") }
                write(member.0)
                byte(":")
                write(member.1)
            }
            byte("}")
        }
    }

    package mutating func write(_ integer: Int64) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { buffer in
            var rest = integer.magnitude
            var place = buffer.count
            repeat {
                place -= 1
                buffer[place] = UInt8(truncatingIfNeeded: rest % 10) + UInt8(ascii: "0")
                rest /= 10
            } while rest > 0
            if integer < 0 { bytes.append(UInt8(ascii: "-")) }
            bytes.append(contentsOf: buffer[place...])
        }
    }

    /// The shortest text that reads back as the same number. JSON has no NaN or infinities: they are the texts
    /// `"NaN"`, `"+Inf"` and `"-Inf"`, as in Prometheus's API.
    package mutating func write(_ number: Double) {
        guard number.isFinite else { return write(Self.special(number)) }
        // Whole numbers up to 2^53 are exact and print faster as integers.
        if number.magnitude < 9_007_199_254_740_992, number.rounded(.towardZero) == number,
            number != 0 || number.sign == .plus
        {
            return write(Int64(number))
        }
        bytes.append(contentsOf: number.description.utf8)
    }

    package static func special(_ number: Double) -> String {
        number.isNaN ? "NaN" : number > 0 ? "+Inf" : "-Inf"
    }

    package mutating func write(_ text: String) {
        byte("\"")
        for character in text.utf8 {
            switch character {
            case UInt8(ascii: "\""): raw("\\\"")
            case UInt8(ascii: "\\"): raw("\\\\")
            case 0x0a: raw("\\n")
            case 0x0d: raw("\\r")
            case 0x09: raw("\\t")
            case 0..<0x20, 0x7f:
                raw("\\u00")
                bytes.append(contentsOf: Hexadecimal.encode([character]).utf8)
            default: bytes.append(character)
            }
        }
        byte("\"")
    }
}
