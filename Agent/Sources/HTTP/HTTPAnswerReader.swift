import Telemetry

/// A complete answer.
public struct HTTPAnswer: Sendable, Equatable {
    public var status: Int
    public var contentType: String?
    public var body: [UInt8] = []

    public init(status: Int, contentType: String? = nil, body: [UInt8] = []) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// Why bytes are no answer that we take.
public enum HTTPFault: Error, Equatable, Sendable, CustomStringConvertible {
    case malformed(StaticReason)
    /// More than so many bytes of body.
    case tooLarge(Int)
    /// The connection ended before the answer did.
    case cutOff

    public enum StaticReason: String, Sendable {
        case head = "the answer is not HTTP/1"
        case longHead = "its head is too long"
        case length = "its Content-Length is no number"
        case chunk = "a chunk's size is no number"
        case coding = "it is compressed although nothing was said to accept that"
    }

    public var description: String {
        switch self {
        case .malformed(let reason): reason.rawValue
        case .tooLarge(let bytes): "the body is larger than \(bytes) bytes"
        case .cutOff: "the connection ended before the answer did"
        }
    }
}

/// Reads one HTTP/1 answer as it arrives: sized, chunked, or until the connection ends (RFC 9112, section 6.3).
///
/// Total on any bytes. Bounds: ``headBytesMax`` of head and of trailers, the caller's of body.
public struct HTTPAnswerReader: Sendable {
    public static let headBytesMax = 16 * 1024
    /// Digits of a chunk's size.
    private static let sizeDigitsMax = 15

    private enum State: Sendable {
        case head
        case sized(remaining: Int)
        case untilEnd
        case chunkSize
        case chunk(remaining: Int)
        case chunkEnd
        case trailers
        case complete
    }
    private var state = State.head
    /// The head, a chunk's size line or the trailers, as far as they have come.
    private var line: [UInt8] = []
    private var answer = HTTPAnswer(status: 0)
    private let bodyBytesMax: Int

    public init(bodyBytesMax: Int) { self.bodyBytesMax = bodyBytesMax }

    public var isComplete: Bool { if case .complete = state { true } else { false } }

    /// Takes what arrived; bytes after the answer are ignored.
    public mutating func read(_ bytes: UnsafeRawBufferPointer) throws(HTTPFault) {
        var position = 0
        while position < bytes.count {
            switch state {
            case .complete: return
            case .head, .chunkSize, .trailers, .chunkEnd:
                line.append(bytes[position])
                position += 1
                if line.last == 0x0a { try endLine() }
                guard line.count <= Self.headBytesMax else { throw .malformed(.longHead) }
            case .sized(let remaining):
                let count = try append(bytes, position, remaining)
                position += count
                state = remaining == count ? .complete : .sized(remaining: remaining - count)
            case .chunk(let remaining):
                let count = try append(bytes, position, remaining)
                position += count
                state = remaining == count ? .chunkEnd : .chunk(remaining: remaining - count)
            case .untilEnd: position += try append(bytes, position, .max)
            }
        }
    }

    /// The connection has ended.
    public mutating func finish() throws(HTTPFault) -> HTTPAnswer {
        switch state {
        case .complete, .untilEnd: return answer
        default: throw .cutOff
        }
    }

    private mutating func append(
        _ bytes: UnsafeRawBufferPointer, _ position: Int, _ remaining: Int
    ) throws(HTTPFault) -> Int {
        let count = min(remaining, bytes.count - position)
        guard answer.body.count + count <= bodyBytesMax else { throw .tooLarge(bodyBytesMax) }
        answer.body.append(contentsOf: bytes[position..<position + count])
        return count
    }

    private mutating func endLine() throws(HTTPFault) {
        switch state {
        case .head:
            guard line.suffix(2) == [0x0a, 0x0a] || line.suffix(4) == [0x0d, 0x0a, 0x0d, 0x0a] else { return }
            try readHead()
        case .chunkSize:
            let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 > 0x20 }
            guard digits.count <= Self.sizeDigitsMax,
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0
            else { throw .malformed(.chunk) }
            state = size == 0 ? .trailers : .chunk(remaining: size)
            line = []
        case .chunkEnd:
            state = .chunkSize
            line = []
        case .trailers:
            if line == [0x0a] || line.suffix(2) == [0x0a, 0x0a] || line == [0x0d, 0x0a]
                || line.suffix(4) == [0x0d, 0x0a, 0x0d, 0x0a]
            {
                state = .complete
            }
        default: break
        }
    }

    private mutating func readHead() throws(HTTPFault) {
        let lines = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isNewline)
        line = []
        guard let first = lines.first, first.hasPrefix("HTTP/1."),
            let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) }),
            (100...599).contains(status)
        else { throw .malformed(.head) }
        // An interim answer: the real one follows.
        if status < 200 { return }
        answer.status = status
        var length: Int?
        var isChunked = false
        for field in lines.dropFirst() {
            guard let colon = field.firstIndex(of: ":") else { continue }
            let value = field[field.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            switch field[..<colon].lowercased() {
            case "content-type": answer.contentType = String(value)
            case "content-length":
                // RFC 9112, section 6.3: two that differ cannot be trusted.
                var digits = value
                while digits.last == " " || digits.last == "\t" { digits.removeLast() }
                guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let bytes = Int(digits),
                    length ?? bytes == bytes
                else { throw .malformed(.length) }
                length = bytes
            case "transfer-encoding": isChunked = value.lowercased().holds("chunked")
            case "content-encoding": if value.lowercased() != "identity" { throw .malformed(.coding) }
            default: continue
            }
        }
        if status == 204 || status == 304 {
            state = .complete
        } else if isChunked {
            state = .chunkSize
        } else if let length {
            guard length <= bodyBytesMax else { throw .tooLarge(bodyBytesMax) }
            state = length == 0 ? .complete : .sized(remaining: length)
        } else {
            state = .untilEnd
        }
    }
}
