/// The syntax tree of a pattern.
indirect enum PatternNode {
    case empty
    case scalars(ScalarSet)
    case start
    case end
    case wordBoundary(negated: Bool)
    case sequence([PatternNode])
    case alternatives([PatternNode])
    /// `max` nil: without bound. `isLazy`: the shortest way is tried first.
    case repeated(PatternNode, min: Int, max: Int?, isLazy: Bool)
    /// Captures what it matches. Numbers count opening parentheses from 1.
    case group(PatternNode, number: Int, name: String?)

    /// The texts that this node matches and no others; nil unless at most `limit` plain texts.
    func literals(limit: Int) -> [String]? {
        switch self {
        case .empty: return [""]
        case .scalars(let set): return set.single.map { [String(Character($0))] }
        case .sequence(let nodes):
            var texts = [""]
            for node in nodes {
                guard let tails = node.literals(limit: limit), texts.count * tails.count <= limit else { return nil }
                texts = texts.flatMap { head in tails.map { head + $0 } }
            }
            return texts
        case .alternatives(let nodes):
            var texts: [String] = []
            for node in nodes {
                guard let more = node.literals(limit: limit), texts.count + more.count <= limit else { return nil }
                texts += more
            }
            return texts
        case .group(let node, _, _): return node.literals(limit: limit)
        case .start, .end, .wordBoundary, .repeated: return nil
        }
    }
}

/// A set of Unicode scalars as ascending, disjoint ranges.
struct ScalarSet: Sendable {
    static let scalarMax: UInt32 = 0x10FFFF
    private(set) var ranges: [ClosedRange<UInt32>] = []

    init(_ ranges: [ClosedRange<UInt32>] = []) { self.ranges = Self.normalized(ranges) }
    init(_ scalar: Unicode.Scalar) { ranges = [scalar.value...scalar.value] }

    static let any = ScalarSet([0...scalarMax])
    static let anyButNewline = ScalarSet([0...9, 11...scalarMax])
    static let digits = ScalarSet([48...57])
    static let word = ScalarSet([48...57, 65...90, 95...95, 97...122])
    static let space = ScalarSet([9...10, 12...13, 32...32])

    var single: Unicode.Scalar? {
        ranges.count == 1 && ranges[0].count == 1 ? Unicode.Scalar(ranges[0].lowerBound) : nil
    }
    func contains(_ scalar: Unicode.Scalar) -> Bool {
        for range in ranges where scalar.value <= range.upperBound { return scalar.value >= range.lowerBound }
        return false
    }
    var inverted: ScalarSet {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= Self.scalarMax { result.append(next...Self.scalarMax) }
        return ScalarSet(result)
    }
    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }
    /// With both cases of every ASCII letter in it.
    var caseFolded: ScalarSet {
        var more = ranges
        for range in ranges {
            more += Self.common(range, 65...90).map { $0.lowerBound + 32...$0.upperBound + 32 }
            more += Self.common(range, 97...122).map { $0.lowerBound - 32...$0.upperBound - 32 }
        }
        return ScalarSet(more)
    }

    private static func common(_ left: ClosedRange<UInt32>, _ right: ClosedRange<UInt32>) -> [ClosedRange<UInt32>] {
        left.overlaps(right) ? [left.clamped(to: right)] : []
    }

    private static func normalized(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.upperBound + 1 {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
