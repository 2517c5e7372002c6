/// A stretch of an expression's text, in bytes of its UTF-8 form from 0; `end` is behind the last byte.
package struct SourceSpan: Sendable, Hashable {
    package var start: Int
    package var end: Int

    package init(_ start: Int, _ end: Int) {
        self.start = start
        self.end = end
    }

    func through(_ other: SourceSpan) -> SourceSpan { SourceSpan(start, other.end) }

    /// Where the span begins: `line:column`, both from 1, columns in bytes, as Prometheus prints positions.
    package func startText(in text: String) -> String {
        guard !text.isEmpty else { return "unknown position" }
        let bytes = text.utf8
        guard start >= 0, start <= bytes.count else { return "invalid position" }
        var line = 1
        var lineStart = 0
        for (offset, byte) in bytes.prefix(start).enumerated() where byte == UInt8(ascii: "\n") {
            line += 1
            lineStart = offset + 1
        }
        return "\(line):\(start - lineStart + 1)"
    }
}
