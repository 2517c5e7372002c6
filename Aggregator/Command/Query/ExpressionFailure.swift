import Foundation

/// An expression that is wrong, shown with a caret below the place:
///
///     sum by (job) (rate(x[5m])
///                              ^
///     unexpected end of input in aggregation, expected ")"
struct ExpressionFailure: Error, CustomStringConvertible {
    let description: String

    /// - Parameter position: bytes from the expression's start.
    init(_ expression: String, position: Int, _ message: String) {
        description = "the expression is not valid PromQL\n" + Self.marked(expression, position) + "\n" + message
    }

    /// From a server's message that names a place as `line:column: parse error: …`; nil without one.
    init?(_ expression: String, _ failure: AggregatorRefusal) {
        guard let match = failure.detail.firstMatch(of: /(\d+):(\d+): parse error: (.*)/),
            let line = Int(match.1), let column = Int(match.2), line > 0, column > 0
        else { return nil }
        var position = 0
        for text in expression.split(separator: "\n", omittingEmptySubsequences: false).prefix(line - 1) {
            position += text.utf8.count + 1
        }
        self.init(expression, position: position + column - 1, String(match.3))
    }

    /// The line of the expression that holds the place, and a caret under it.
    private static func marked(_ expression: String, _ position: Int) -> String {
        let bytes = Array(expression.utf8)
        let place = min(max(0, position), bytes.count)
        let start = bytes[..<place].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let end = bytes[place...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        let line = Terminal.clean(String(decoding: bytes[start..<end], as: UTF8.self))
        let before = Terminal.clean(String(decoding: bytes[start..<place], as: UTF8.self))
        return "  \(line)\n  " + String(repeating: " ", count: Terminal.width(of: before)) + "^"
    }
}
