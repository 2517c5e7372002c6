/// What kind of value starts at a position, by its first byte.
package enum JSONKind: Sendable {
    case object, array, string, number, boolean, null

    /// For messages: "found a number".
    package var name: StaticString {
        switch self {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "a number"
        case .boolean: "true or false"
        case .null: "null"
        }
    }
}

/// A pull reader for JSON (RFC 8259) over bytes that somebody else owns.
///
/// Total: any bytes give values or a ``JSONError``, never a trap. Allocates nothing but the strings that are asked
/// for; time is linear in the bytes; nesting is bounded by ``depthMax``. The caller follows the structure:
///
///     try reader.enterObject()
///     while let key = try reader.nextKey() {
///         if reader.matches(key, "name") { name = try reader.readString() } else { try reader.skipValue() }
///     }
///
/// String *contents* (escapes, surrogates, UTF-8) are checked only when decoded, so one bad string spoils one field.
/// The bytes must outlive the reader.
package struct JSONReader {
    /// Deep enough for what applications post; formats that nest deeper say so.
    package static let depthMax = 16

    package let bytes: UnsafeRawBufferPointer
    package var position: Int
    @usableFromInline let depthMax: Int
    /// Containers entered and not left.
    package var depth = 0
    /// Whether the container just entered has had no member yet.
    @usableFromInline var isFirst = false

    package init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0, depthMax: Int = Self.depthMax) {
        self.bytes = bytes
        self.position = position
        self.depthMax = depthMax
    }

    package var isAtEnd: Bool { position >= bytes.count }

    @inlinable @inline(__always)
    package mutating func skipWhitespace() {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte <= 0x20, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
            position += 1
        }
    }

    /// The kind of the value that starts here, without consuming it.
    @inlinable @inline(__always)
    package mutating func peekKind() throws(JSONError) -> JSONKind {
        skipWhitespace()
        guard position < bytes.count else { throw error(.unexpectedEnd) }
        switch bytes[position] {
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): return .number
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        default: throw expected("a JSON value")
        }
    }

    // MARK: structure

    @inlinable @inline(__always)
    package mutating func enterObject() throws(JSONError) { try enter(UInt8(ascii: "{"), "an object, {…}") }

    @inlinable @inline(__always)
    package mutating func enterArray() throws(JSONError) { try enter(UInt8(ascii: "["), "an array, […]") }

    /// - Returns: the next member's key, nil after the object's closing brace. The caller then reads the value.
    @inlinable @inline(__always)
    package mutating func nextKey() throws(JSONError) -> JSONString? {
        guard try advance(to: UInt8(ascii: "}"), "a comma or }") else { return nil }
        guard position < bytes.count else { throw error(.unexpectedEnd) }
        guard bytes[position] == UInt8(ascii: "\"") else { throw expected("a key in quotes") }
        let key = try scanString()
        skipWhitespace()
        guard position < bytes.count else { throw error(.unexpectedEnd) }
        guard bytes[position] == UInt8(ascii: ":") else { throw expected("a colon after the key") }
        position += 1
        return key
    }

    /// - Returns: whether another element follows; false after the array's closing bracket.
    @inlinable @inline(__always)
    package mutating func nextElement() throws(JSONError) -> Bool {
        try advance(to: UInt8(ascii: "]"), "a comma or ]")
    }

    /// Passes over one value of any kind, checking its structure.
    package mutating func skipValue() throws(JSONError) {
        switch try peekKind() {
        case .string: _ = try scanString()
        case .number: _ = try readNumber()
        case .boolean: _ = try readBoolean()
        case .null: try readNull()
        case .object:
            try enterObject()
            while try nextKey() != nil { try skipValue() }
        case .array:
            try enterArray()
            while try nextElement() { try skipValue() }
        }
    }

    @inlinable @inline(__always)
    package mutating func enter(_ byte: UInt8, _ what: StaticString) throws(JSONError) {
        skipWhitespace()
        guard position < bytes.count else { throw error(.unexpectedEnd) }
        guard bytes[position] == byte else { throw expected(what) }
        guard depth < depthMax else { throw error(.tooDeep) }
        depth += 1
        position += 1
        isFirst = true
    }

    /// Past a comma (or nothing before the first member) to a member, or past the closing byte.
    @inlinable @inline(__always)
    package mutating func advance(to close: UInt8, _ what: StaticString) throws(JSONError) -> Bool {
        skipWhitespace()
        guard position < bytes.count else { throw error(.unexpectedEnd) }
        let byte = bytes[position]
        if byte == close {
            position += 1
            depth -= 1
            isFirst = false
            return false
        }
        if isFirst {
            isFirst = false
            return true
        }
        guard byte == UInt8(ascii: ",") else { throw expected(what) }
        position += 1
        skipWhitespace()
        // A comma right before the closing byte is not JSON.
        if position < bytes.count, bytes[position] == close { throw expected("a value after the comma") }
        return true
    }

    // MARK: errors

    @inline(never)
    package func error(_ problem: JSONError.Problem) -> JSONError { JSONError(problem: problem, offset: position) }

    @inline(never)
    package func expected(_ what: StaticString) -> JSONError { error(.expected(JSONError.StaticText(what))) }

    /// The line, from 1, that holds a byte.
    /// - Complexity: O(offset); for error messages.
    package func line(of offset: Int) -> Int {
        var line = 1
        for byte in bytes.prefix(max(0, offset)) where byte == 0x0a { line += 1 }
        return line
    }
}
