/// Where a string's contents stand, quotes excluded. Nothing is decoded yet.
package struct JSONString: Sendable {
    package var start: Int
    package var end: Int
    package var hasEscapes: Bool
    package var isASCII: Bool
    @inlinable package var rawByteCount: Int { end - start }

    @inlinable package init(start: Int, end: Int, hasEscapes: Bool, isASCII: Bool) {
        self.start = start
        self.end = end
        self.hasEscapes = hasEscapes
        self.isASCII = isASCII
    }
}

extension JSONReader {
    @inlinable package static var ones: UInt64 { 0x0101_0101_0101_0101 }
    @inlinable package static var highBits: UInt64 { 0x8080_8080_8080_8080 }

    /// Passes over a string that starts here and says where its contents stand.
    ///
    /// Eight bytes at a time: in each word the lowest byte that is a quote, a backslash or below 0x20 is found
    /// exactly (borrows only disturb higher bytes).
    @inlinable @inline(__always)
    package mutating func scanString() throws(JSONError) -> JSONString {
        skipWhitespace()
        guard position < bytes.count else { throw error(.unexpectedEnd) }
        guard bytes[position] == UInt8(ascii: "\"") else { throw expected("a string in quotes") }
        position += 1
        let start = position
        var hasEscapes = false
        var seen: UInt64 = 0
        while true {
            if position + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                let quote = word ^ (Self.ones &* 0x22)
                let escape = word ^ (Self.ones &* 0x5c)
                let special =
                    (((quote &- Self.ones) & ~quote) | ((escape &- Self.ones) & ~escape)
                        | ((word &- (Self.ones &* 0x20)) & ~word)) & Self.highBits
                guard special != 0 else {
                    seen |= word
                    position += 8
                    continue
                }
                let index = special.trailingZeroBitCount >> 3
                if index > 0 { seen |= word & (UInt64.max >> UInt64(64 - 8 * index)) }
                position += index
            }
            guard position < bytes.count else { throw error(.unexpectedEnd) }
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return JSONString(
                    start: start, end: position - 1, hasEscapes: hasEscapes, isASCII: seen & Self.highBits == 0)
            }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                guard position + 1 < bytes.count else {
                    position = bytes.count
                    throw error(.unexpectedEnd)
                }
                // The escaped byte is judged when decoded, except that it must not end a line unseen.
                guard bytes[position + 1] >= 0x20 else {
                    position += 1
                    throw error(.controlCharacter)
                }
                seen |= UInt64(bytes[position + 1])
                position += 2
                continue
            }
            guard byte >= 0x20 else { throw error(.controlCharacter) }
            seen |= UInt64(byte)
            position += 1
        }
    }

    @inlinable @inline(__always)
    package mutating func readString() throws(JSONError) -> String { try decode(scanString()) }

    /// The text of a scanned string.
    /// - Throws: `.invalidEscape`, `.loneSurrogate` or `.invalidUTF8`; the reader stands after the string all the same.
    @inlinable @inline(__always)
    package func decode(_ string: JSONString) throws(JSONError) -> String {
        guard string.hasEscapes else {
            let raw = UnsafeRawBufferPointer(rebasing: bytes[string.start..<string.end])
            if string.isASCII { return String(decoding: raw, as: UTF8.self) }
            guard let text = String(validating: raw, as: UTF8.self) else {
                throw JSONError(problem: .invalidUTF8, offset: string.start)
            }
            return text
        }
        return try decodeEscaped(string)
    }

    /// Whether a key is this text. Keys written with escapes are compared decoded.
    package func matches(_ key: JSONString, _ text: StaticString) -> Bool {
        if key.hasEscapes { return (try? decode(key)) == String(describing: text) }  // undecodable: no match
        guard key.rawByteCount == text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { buffer in
            for index in 0..<buffer.count where buffer[index] != bytes[key.start + index] { return false }
            return true
        }
    }

    @usableFromInline @inline(never)
    func decodeEscaped(_ string: JSONString) throws(JSONError) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(string.rawByteCount)
        var index = string.start
        while index < string.end {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                decoded.append(byte)
                continue
            }
            let escape = bytes[index]  // scanString saw a byte after each backslash
            index += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(escape)
            case UInt8(ascii: "b"): decoded.append(0x08)
            case UInt8(ascii: "f"): decoded.append(0x0c)
            case UInt8(ascii: "n"): decoded.append(0x0a)
            case UInt8(ascii: "r"): decoded.append(0x0d)
            case UInt8(ascii: "t"): decoded.append(0x09)
            case UInt8(ascii: "u"): try appendUnicodeEscape(&index, end: string.end, to: &decoded)
            default: throw JSONError(problem: .invalidEscape, offset: index - 2)
            }
        }
        guard let text = String(validating: decoded, as: UTF8.self) else {
            throw JSONError(problem: .invalidUTF8, offset: string.start)
        }
        return text
    }

    /// Four hexadecimal digits, and a second `\uXXXX` where the first is a high surrogate.
    private func appendUnicodeEscape(_ index: inout Int, end: Int, to decoded: inout [UInt8]) throws(JSONError) {
        let start = index - 2
        let unit = try hexadecimal(&index, end: end)
        var scalar = unit
        if (0xd800...0xdbff).contains(unit) {
            guard index + 1 < end, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u") else {
                throw JSONError(problem: .loneSurrogate, offset: start)
            }
            index += 2
            let low = try hexadecimal(&index, end: end)
            guard (0xdc00...0xdfff).contains(low) else { throw JSONError(problem: .loneSurrogate, offset: start) }
            scalar = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
        }
        guard let valid = Unicode.Scalar(scalar) else { throw JSONError(problem: .loneSurrogate, offset: start) }
        decoded.append(contentsOf: UTF8.encode(valid) ?? UTF8.encodedReplacementCharacter)
    }

    private func hexadecimal(_ index: inout Int, end: Int) throws(JSONError) -> UInt32 {
        guard index + 4 <= end else { throw JSONError(problem: .invalidEscape, offset: index) }
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = bytes[index]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw JSONError(problem: .invalidEscape, offset: index)
            }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }
}
