import Foundation

/// A line chart of characters: Braille dots, 2 by 4 to a cell. Several series differ by colour where the terminal has
/// colours; else each is drawn with a letter of its own.
struct TerminalChart {
    /// More series are only counted.
    static let seriesMax = 8
    static let rows = 16
    private static let marks: [Character] = ["a", "b", "c", "d", "e", "f", "g", "h"]
    /// SGR: well apart on dark and light grounds.
    private static let colours = [36, 33, 35, 32, 34, 31, 96, 93]

    private let series: [QueryAnswer.Series]
    private let omitted: Int
    private let width: Int
    private let hasColour: Bool

    init(_ series: [QueryAnswer.Series], terminal: Terminal) {
        self.series = Array(series.prefix(Self.seriesMax))
        omitted = series.count - self.series.count
        width = terminal.width
        hasColour = terminal.hasColour
    }

    private struct Scale {
        let times: ClosedRange<Double>
        let values: ClosedRange<Double>
        /// Longer distances are gaps.
        let step: Double
    }

    private var scale: Scale? {
        let samples = series.flatMap(\.samples)
        let values = samples.compactMap { Double($0.text) }.filter(\.isFinite)
        guard let low = values.min(), let high = values.max(), let first = samples.map(\.time).min(),
            let last = samples.map(\.time).max()
        else { return nil }
        // A constant gets some room around it.
        let room = high > low ? 0 : max(abs(high) * 0.1, 1)
        let steps = series.flatMap { zip($0.samples.dropFirst(), $0.samples).map { $0.time - $1.time } }
        return Scale(
            times: first...max(last, first + 1), values: (low - room)...(high + room), step: steps.min() ?? 1)
    }

    var lines: [String] {
        guard let scale else { return series.isEmpty ? ["no series"] : ["nothing that can be drawn"] }
        let labels = (0..<Self.rows).map { row -> String in
            guard row % 5 == 0 else { return "" }
            let share = Double(row) / Double(Self.rows - 1)
            return Self.short(scale.values.upperBound - share * (scale.values.upperBound - scale.values.lowerBound))
        }
        let labelWidth = labels.map(\.count).max() ?? 0
        let columns = max(10, width - labelWidth - 2)
        var canvas = Canvas(columns: columns, rows: Self.rows)
        for (index, entry) in series.enumerated() { draw(entry, index, scale, &canvas) }
        var lines = (0..<Self.rows).map { row in
            "\(Terminal.padded(labels[row], to: labelWidth, right: true)) \(labels[row].isEmpty ? "│" : "┤")"
                + text(canvas, row)
        }
        lines.append(String(repeating: " ", count: labelWidth + 1) + "└" + String(repeating: "─", count: columns))
        lines.append(String(repeating: " ", count: labelWidth + 2) + axis(scale.times, columns))
        for (index, entry) in series.enumerated() {
            let mark = hasColour ? Self.coloured("━━", index) : series.count > 1 ? String(Self.marks[index]) : "━━"
            lines.append("\(mark) \(Terminal.cut(entry.description, to: width - 3))")
        }
        if omitted > 0 { lines.append("and \(omitted) more series: narrow the expression, or use topk") }
        return lines
    }

    private func draw(_ entry: QueryAnswer.Series, _ index: Int, _ scale: Scale, _ canvas: inout Canvas) {
        let (wide, high) = (Double(canvas.columns * 2 - 1), Double(Self.rows * 4 - 1))
        var last: (time: Double, x: Int, y: Int)?
        for sample in entry.samples {
            guard let value = Double(sample.text), value.isFinite else {
                last = nil
                continue
            }
            let x = (sample.time - scale.times.lowerBound) / (scale.times.upperBound - scale.times.lowerBound) * wide
            let span = scale.values.upperBound - scale.values.lowerBound
            let y = (scale.values.upperBound - value) / span * high
            let point = (time: sample.time, x: Int(x.rounded()), y: Int(y.rounded()))
            if let from = last, sample.time - from.time <= scale.step * 1.5 {
                canvas.line(from: (from.x, from.y), to: (point.x, point.y), index)
            } else {
                canvas.set(point.x, point.y, index)
            }
            last = point
        }
    }

    private func text(_ canvas: Canvas, _ row: Int) -> String {
        var line = ""
        for column in 0..<canvas.columns {
            let cell = canvas[column, row]
            guard let owner = cell.owner else {
                line.append(" ")
                continue
            }
            if hasColour {
                line += Self.coloured(String(cell.character), owner)
            } else {
                line.append(series.count > 1 ? Self.marks[owner] : cell.character)
            }
        }
        while line.last == " " { line.removeLast() }
        return line
    }

    private func axis(_ times: ClosedRange<Double>, _ columns: Int) -> String {
        let isLong = times.upperBound - times.lowerBound > 86_400
        let text = { (time: Double) in isLong ? String(ClockText.full(time).dropLast(3)) : ClockText.time(time) }
        let (left, right) = (text(times.lowerBound), text(times.upperBound) + " UTC")
        let middle = text((times.lowerBound + times.upperBound) / 2)
        let room = columns - left.count - middle.count - right.count
        guard room >= 4 else {
            return left + String(repeating: " ", count: max(1, columns - left.count - right.count)) + right
        }
        return left + String(repeating: " ", count: room / 2) + middle + String(repeating: " ", count: room - room / 2)
            + right
    }

    private static func coloured(_ text: String, _ index: Int) -> String {
        "\u{1B}[\(colours[index % colours.count])m\(text)\u{1B}[0m"
    }

    /// Four digits with k, M, G, T.
    static func short(_ value: Double) -> String {
        for (factor, unit) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] where abs(value) >= factor * 10 {
            return String(format: "%.4g", value / factor) + unit
        }
        return String(format: "%.4g", abs(value) < 1e-12 ? 0 : value)
    }

    /// Cells of 2 by 4 dots.
    private struct Canvas {
        struct Cell {
            var dots: UInt8 = 0
            var owner: Int?
            var character: Character { Unicode.Scalar(0x2800 + UInt32(dots)).map { Character($0) } ?? " " }
        }
        let columns: Int
        let rows: Int
        private var cells: [Cell]

        init(columns: Int, rows: Int) {
            self.columns = columns
            self.rows = rows
            cells = Array(repeating: Cell(), count: columns * rows)
        }
        subscript(column: Int, row: Int) -> Cell { cells[row * columns + column] }

        /// Unicode's numbering of Braille dots: down the left column, then the right, the lowest pair last.
        private static let bits: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]

        mutating func set(_ x: Int, _ y: Int, _ owner: Int) {
            guard (0..<columns * 2).contains(x), (0..<rows * 4).contains(y) else { return }
            let index = y / 4 * columns + x / 2
            cells[index].dots |= Self.bits[y % 4][x % 2]
            cells[index].owner = owner
        }

        /// Bresenham's line.
        mutating func line(from: (Int, Int), to: (Int, Int), _ owner: Int) {
            var (x, y) = from
            let (dx, dy) = (abs(to.0 - x), -abs(to.1 - y))
            let (sx, sy) = (x < to.0 ? 1 : -1, y < to.1 ? 1 : -1)
            var error = dx + dy
            while true {
                set(x, y, owner)
                if x == to.0, y == to.1 { return }
                let twice = 2 * error
                if twice >= dy {
                    error += dy
                    x += sx
                }
                if twice <= dx {
                    error += dx
                    y += sy
                }
            }
        }
    }
}
