import TestSupport

/// Bodies that encoders of others made; see `Golden/make-bodies.py`.
enum GoldenBodies {
    static func text(_ name: String) throws -> String {
        var parts = #filePath.split(separator: "/")
        parts.removeLast()
        return try Files.text("/" + parts.joined(separator: "/") + "/Golden/\(name)")
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        let digits = try text("\(name).hex").utf8.compactMap { UInt8(hexadecimalDigit: $0) }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

extension UInt8 {
    fileprivate init?(hexadecimalDigit byte: UInt8) {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self = byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self = byte - UInt8(ascii: "a") + 10
        default: return nil
        }
    }
}
