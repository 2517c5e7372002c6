/// One line of a text format, read from left to right. The bytes must outlive it.
struct LineCursor {
    let bytes: UnsafeRawBufferPointer
    /// From 1.
    let line: Int
    var position = 0

    init(_ bytes: UnsafeRawBufferPointer, line: Int) {
        self.bytes = bytes
        self.line = line
    }

    var isAtEnd: Bool { position >= bytes.count }
    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skip(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    mutating func skip(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        for index in 0..<count where bytes[position + index] != text.utf8Start[index] { return false }
        position += count
        return true
    }

    mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x09 { position += 1 }
    }

    /// The bytes up to the next one that ends a token, which is left.
    mutating func token(until isEnd: (UInt8) -> Bool) -> UnsafeRawBufferPointer {
        let start = position
        while let byte = next, !isEnd(byte) { position += 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }

    var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[position...]) }

    func error(_ reason: String) -> InterchangeError { InterchangeError(.line(line), reason) }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, with colons for metric names.
    /// - Returns: nil, and nothing is consumed, when no such name starts here.
    mutating func name(colons: Bool) -> String? {
        let start = position
        while let byte = next, Self.isNameByte(byte, isFirst: position == start, colons: colons) { position += 1 }
        return start == position ? nil : String(decoding: bytes[start..<position], as: UTF8.self)
    }

    @inline(__always)
    static func isNameByte(_ byte: UInt8, isFirst: Bool, colons: Bool) -> Bool {
        let lower = byte | 0x20
        if lower >= UInt8(ascii: "a"), lower <= UInt8(ascii: "z") { return true }
        if byte == UInt8(ascii: "_") { return true }
        if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { return !isFirst }
        return colons && byte == UInt8(ascii: ":")
    }

    static func isName(_ text: UnsafeRawBufferPointer, colons: Bool) -> Bool {
        var cursor = LineCursor(text, line: 0)
        return cursor.name(colons: colons) != nil && cursor.isAtEnd
    }

    /// What stands here, for messages: at most 24 bytes, invalid UTF-8 repaired.
    var excerpt: String {
        isAtEnd ? "the end of the line" : "\"\(String(decoding: bytes[position...].prefix(24), as: UTF8.self))\""
    }
}

/// The lines of a body. A line ends at `\n`; the last one may end with the body.
struct LineReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var position = 0
    private(set) var line = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func next() -> LineCursor? {
        guard position < bytes.count else { return nil }
        let start = position
        while position < bytes.count, bytes[position] != 0x0a { position += 1 }
        line += 1
        let contents = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
        position += 1
        return LineCursor(contents, line: line)
    }
}
