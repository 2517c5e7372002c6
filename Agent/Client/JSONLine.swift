/// One JSON object on one line, written member by member.
struct JSONLine {
    private(set) var bytes: [UInt8] = [UInt8(ascii: "{")]

    mutating func add(_ key: StaticString, _ value: String?) {
        guard let value else { return }
        begin(String(describing: key))
        append(value)
    }
    mutating func add(_ key: StaticString, _ value: Int64?) {
        guard let value else { return }
        begin(String(describing: key))
        bytes += "\(value)".utf8
    }
    mutating func add(_ key: StaticString, _ value: Bool?) {
        guard let value else { return }
        begin(String(describing: key))
        bytes += (value ? "true" : "false").utf8
    }
    mutating func add(_ key: StaticString, _ value: Double) {
        begin(String(describing: key))
        if value.isFinite {
            bytes += "\(value)".utf8
        } else {
            append(value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf")
        }
    }
    mutating func add(_ key: StaticString, _ pairs: [(String, String)]) {
        begin(String(describing: key))
        bytes.append(UInt8(ascii: "{"))
        for (name, value) in pairs {
            begin(name)
            append(value)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// The object with its end of line.
    consuming func finished() -> [UInt8] {
        bytes += "}\n".utf8
        return bytes
    }

    private mutating func begin(_ key: String) {
        if bytes.last != UInt8(ascii: "{") { bytes.append(UInt8(ascii: ",")) }
        append(key)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func append(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: bytes += "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
