/// Formats of access logs that are read.
public enum AccessLogFormat: String, Sendable, CaseIterable {
    /// The combined format, with nothing after it or with `$request_time` as the last field.
    case nginx
    /// Icecast's `access.log`: combined, then the seconds that the connection lasted.
    case icecast
}

/// One line of an access log:
///
///     address - user [time] "GET /path HTTP/1.1" status bytes "referrer" "agent" seconds
///
/// Total on any bytes; it points into the line, which must outlive it.
public struct AccessLogLine {
    public var method: Slice<UnsafeRawBufferPointer>
    /// Without the query.
    public var path: Slice<UnsafeRawBufferPointer>
    public var status: Int
    public var bytes: Double
    /// The last field, where it is a number and not in quotes.
    public var seconds: Double?

    /// - Returns: nil for what is no such line.
    /// - Complexity: linear in the line; no allocation but for the number at its end.
    public init?(_ line: UnsafeRawBufferPointer) {
        var start = 0
        let quote = UInt8(ascii: "\"")
        while true {
            guard start + 2 < line.count else { return nil }
            if line[start] == UInt8(ascii: "]"), line[start + 1] == 0x20, line[start + 2] == quote { break }
            start += 1
        }
        start += 3
        // nginx escapes quotes within the request, Icecast does not: the one before a status ends it.
        var end = start
        while true {
            guard end + 4 < line.count else { return nil }
            if line[end] == quote, line[end + 1] == 0x20, let code = Self.status(line, end + 2) {
                status = code
                break
            }
            end += 1
        }
        let request = line[start..<end]
        method = request.prefix { $0 != 0x20 }
        path = request.dropFirst(method.count + 1).prefix { $0 != 0x20 && $0 != UInt8(ascii: "?") }
        let rest = line[(end + 5)...].drop { $0 == 0x20 }
        let size = rest.prefix { $0 != 0x20 }
        if size.elementsEqual("-".utf8) {
            bytes = 0
        } else {
            guard let number = SourceNumber.parse(size), number >= 0 else { return nil }
            bytes = number
        }
        let tail = rest.dropFirst(size.count)
        if let blank = tail.lastIndex(of: 0x20), let number = SourceNumber.parse(tail[blank...].dropFirst()),
            number >= 0
        {
            seconds = number
        }
    }

    /// Three digits and then a blank or the end.
    private static func status(_ line: UnsafeRawBufferPointer, _ index: Int) -> Int? {
        guard index + 3 <= line.count, index + 3 == line.count || line[index + 3] == 0x20 else { return nil }
        var code = 0
        for position in index..<index + 3 {
            guard (0x30...0x39).contains(line[position]) else { return nil }
            code = code * 10 + Int(line[position] - 0x30)
        }
        return code
    }
}
