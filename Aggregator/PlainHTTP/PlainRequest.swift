/// A GET without a body, or a POST whose length is stated, as most clients send them, recognised in its bytes without a
/// parser's help.
///
/// Strict: what is not written as plainly as this, or says anything that would need more care than an answer, is left
/// to the usual parser, which then sees the very same bytes.
package struct PlainRequest: Sendable, Hashable {
    package enum Outcome: Sendable, Hashable {
        /// - Parameter bytes: the length of its head; ``bodyBytes`` follow.
        case plain(PlainRequest, bytes: Int)
        /// It may become one.
        case incomplete
        case other
    }

    /// Of a head, with the blank line.
    package static let bytesMax = 16 * 1024

    package let isPost: Bool
    package let path: String
    package let query: String?
    package private(set) var bodyBytes = 0
    package private(set) var contentType: String?
    package private(set) var contentEncoding: String?
    package private(set) var authorization: String?
    package private(set) var acceptEncoding: String?
    /// The client wants the connection closed afterwards.
    package private(set) var closes = false
    private var hasHost = false
    private var hasLength = false

    /// - Parameter prefixes: what a request has to begin with, one of them; nothing else is waited for.
    /// - Complexity: O(bytes of the head).
    package static func recognise(_ bytes: UnsafeRawBufferPointer, prefixes: [StaticString]) -> Outcome {
        let mayBegin = prefixes.contains { prefix in
            (0..<min(prefix.utf8CodeUnitCount, bytes.count)).allSatisfy {
                bytes[$0] == (prefix.utf8Start + $0).pointee
            }
        }
        guard mayBegin else { return .other }
        guard let end = end(of: bytes) else { return bytes.count < bytesMax ? .incomplete : .other }
        guard end <= bytesMax else { return .other }
        var lines = Lines(rest: UnsafeRawBufferPointer(rebasing: bytes[..<(end - 2)]))
        guard let first = lines.next(), var request = PlainRequest(line: first) else { return .other }
        while let line = lines.next() {
            guard request.take(line) else { return .other }
        }
        // A POST without a length has no body, or it has one that we do not see the end of.
        guard request.hasHost, lines.isWellFormed, request.isPost ? request.hasLength : request.bodyBytes == 0 else {
            return .other
        }
        return .plain(request, bytes: end)
    }

    /// Behind the blank line.
    private static func end(of bytes: UnsafeRawBufferPointer) -> Int? {
        var index = 3
        while index < min(bytes.count, bytesMax) {
            if bytes[index] == 0x0a, bytes[index - 1] == 0x0d, bytes[index - 2] == 0x0a, bytes[index - 3] == 0x0d {
                return index + 1
            }
            index += 1
        }
        return nil
    }

    /// Lines that end with CR LF; neither byte stands elsewhere, nor does any other control character but the tab.
    private struct Lines {
        var rest: UnsafeRawBufferPointer
        private(set) var isWellFormed = true

        init(rest: UnsafeRawBufferPointer) { self.rest = rest }

        mutating func next() -> UnsafeRawBufferPointer? {
            guard isWellFormed, !rest.isEmpty else { return nil }
            for index in rest.indices {
                let byte = rest[index]
                if byte == 0x0d, index + 1 < rest.count, rest[index + 1] == 0x0a {
                    defer { rest = UnsafeRawBufferPointer(rebasing: rest[(index + 2)...]) }
                    return UnsafeRawBufferPointer(rebasing: rest[..<index])
                }
                guard byte >= 0x20 || byte == 0x09, byte != 0x7f else { break }
            }
            isWellFormed = false
            return nil
        }
    }

    /// `GET /path?query HTTP/1.1`, the target in visible ASCII and without a fragment.
    private init?(line: UnsafeRawBufferPointer) {
        isPost = line.starts(with: "POST ".utf8)
        guard isPost || line.starts(with: "GET ".utf8) else { return nil }
        let (method, version) = (isPost ? 5 : 4, " HTTP/1.1")
        guard line.count > method + version.utf8.count, line.suffix(version.utf8.count).elementsEqual(version.utf8)
        else { return nil }
        let target = line[method..<(line.count - version.utf8.count)]
        guard target.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }) else { return nil }
        let parts = target.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        path = String(decoding: parts[0], as: UTF8.self)
        query = parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : nil
    }

    /// - Returns: false for a header that a plain request does not have.
    private mutating func take(_ line: UnsafeRawBufferPointer) -> Bool {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            line[..<colon].allSatisfy(Self.isNameByte)
        else { return false }
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        let trimmed = line[(colon + 1)...].drop(while: isBlank)
        let end = trimmed.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? trimmed.startIndex
        let value = String(decoding: trimmed[trimmed.startIndex..<end], as: UTF8.self)
        switch String(decoding: line[..<colon], as: UTF8.self).lowercased() {
        case "host":
            guard !hasHost, !value.isEmpty else { return false }
            hasHost = true
        case "authorization":
            guard authorization == nil else { return false }
            authorization = value
        case "accept-encoding":
            guard acceptEncoding == nil else { return false }
            acceptEncoding = value
        case "connection":
            switch value.lowercased() {
            case "keep-alive": break
            case "close": closes = true
            default: return false
            }
        case "content-length":
            guard !hasLength, let bytes = Self.length(value) else { return false }
            (hasLength, bodyBytes) = (true, bytes)
        case "content-type":
            guard contentType == nil else { return false }
            contentType = value
        case "content-encoding":
            guard contentEncoding == nil else { return false }
            contentEncoding = value
        case "transfer-encoding", "expect", "upgrade", "te", "trailer": return false
        default: break
        }
        return true
    }

    /// Up to nine digits.
    private static func length(_ text: String) -> Int? {
        let isNumber = (1...9).contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) }
        return isNumber ? Int(text) : nil
    }

    /// What a header's name is made of; not all that might be.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
