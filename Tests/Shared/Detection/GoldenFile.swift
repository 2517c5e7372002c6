import Detection
import TestSupport

/// A recorded file, line by line, as words.
struct GoldenFile {
    private var lines: [[Substring]]
    private var next = 0

    init(_ name: String, file: String = #filePath) throws {
        let folder = file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
        let bytes = try Files.read("\(folder)/Golden/\(name)")
        lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { $0.split(separator: " ") }
    }

    mutating func line() -> [Substring]? {
        guard next < lines.count else { return nil }
        defer { next += 1 }
        return lines[next]
    }
    mutating func numbers() -> [Double] { (line() ?? []).compactMap { Double($0) } }

    /// A tree's lines: left, right, column, threshold, points.
    mutating func tree() -> ForeignTree {
        var tree = ForeignTree(left: [], right: [], column: [], threshold: [], sampleCount: [])
        let count = line().flatMap { $0.last.flatMap { Int($0) } } ?? 0
        for _ in 0..<count {
            let words = line() ?? []
            guard words.count == 5 else { break }
            tree.left.append(Int32(words[0]) ?? 0)
            tree.right.append(Int32(words[1]) ?? 0)
            tree.column.append(Int32(words[2]) ?? 0)
            tree.threshold.append(Double(words[3]) ?? .nan)
            tree.sampleCount.append(Int32(words[4]) ?? 0)
        }
        return tree
    }
}

/// Spearman's rank correlation; equal values share their mean rank.
func rankCorrelation(_ first: [Double], _ second: [Double]) -> Double {
    func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for index in start..<end { ranks[order[index]] = Double(start + end - 1) / 2 }
            start = end
        }
        return ranks
    }
    let (one, other) = (ranks(first), ranks(second))
    let mean = Double(one.count - 1) / 2
    let product = zip(one, other).reduce(0) { $0 + ($1.0 - mean) * ($1.1 - mean) }
    let squares = [one, other].map { $0.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } }
    return product / (squares[0] * squares[1]).squareRoot()
}
