import Foundation

/// What is known of the place that output goes to.
struct Terminal {
    /// Columns.
    let width: Int
    /// Whether colours are understood and wanted (NO_COLOR, no-color.org).
    let hasColour: Bool

    init(width: Int?) {
        var size = winsize()
        let isTerminal = isatty(1) == 1
        let environment = ProcessInfo.processInfo.environment
        if let width {
            self.width = width
        } else if isTerminal, ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
            self.width = min(1000, max(20, Int(size.ws_col)))
        } else {
            self.width = min(1000, max(20, environment["COLUMNS"].flatMap { Int($0) } ?? 80))
        }
        hasColour = isTerminal && environment["NO_COLOR"] == nil && environment["TERM"] != "dumb"
    }

    /// To standard error, so that output stays what was asked for.
    static func note(_ text: String) { FileHandle.standardError.write(Data((clean(text) + "\n").utf8)) }

    /// Without control characters: what others have stored must not steer the terminal.
    static func clean(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) ? "\u{FFFD}" : $0 }))
    }

    /// Columns that a text takes: combining marks none, wide East Asian characters and emoji two.
    static func width(of text: String) -> Int {
        text.unicodeScalars.reduce(0) { sum, scalar in
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format: return sum
            default: return sum + (isWide(scalar.value) ? 2 : 1)
            }
        }
    }

    /// Unicode's East Asian Width "W" and "F", in blocks.
    private static func isWide(_ value: UInt32) -> Bool {
        switch value {
        case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
            0xffe0...0xffe6, 0x1f300...0x1f64f, 0x1f900...0x1f9ff, 0x20000...0x3fffd:
            true
        default: false
        }
    }

    static func padded(_ text: String, to columns: Int, right: Bool = false) -> String {
        let fill = String(repeating: " ", count: max(0, columns - width(of: text)))
        return right ? fill + text : text + fill
    }

    /// Cut to so many columns, with a mark.
    static func cut(_ text: String, to columns: Int) -> String {
        guard width(of: text) > columns else { return text }
        var result = ""
        var used = 0
        for character in text {
            let next = width(of: String(character))
            guard used + next < columns else { break }
            result.append(character)
            used += next
        }
        return result + "…"
    }
}
