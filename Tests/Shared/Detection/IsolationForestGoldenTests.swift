import Detection
import RuntimeSupport
import Testing

@Suite("isolation forest beside scikit-learn")
struct IsolationForestGoldenTests {
    @Test("with scikit-learn's trees, scores are its scores to 1e-9, in batch and one by one")
    func foreignTrees() throws {
        var file = try GoldenFile("forest.txt")
        var forests = 0
        while let head = file.line() {
            let numbers = head.dropFirst(2).compactMap { Int($0) }
            try #require(head.count == 7 && numbers.count == 5)
            let (columns, treeCount) = (numbers[2], numbers[3])
            let trees = (0..<treeCount).map { _ in file.tree() }
            let expected = file.numbers()
            let rows = GoldenRows.make(
                String(head[1]), seed: UInt64(numbers[0]), count: numbers[1], columns: columns)
            let forest = try IsolationForest(foreign: trees, columns: columns, sampleCount: numbers[4])
            var scores: [Double] = []
            try forest.score(rows: rows.span, into: &scores)
            try #require(scores.count == expected.count)
            for (index, score) in scores.enumerated() {
                #expect(abs(score - expected[index]) < 1e-9)
                let point = Array(rows[index * columns..<(index + 1) * columns])
                #expect(abs((forest.score(at: point) ?? .nan) - expected[index]) < 1e-9)
            }
            let again = try IsolationForest(bytes: forest.bytes)
            var kept: [Double] = []
            try again.score(rows: rows.span, into: &kept)
            #expect(kept == scores)
            forests += 1
        }
        #expect(forests == 5)
    }

    /// A thousand trees each: with 100, two of scikit-learn's own forests correlate by 0.92 to 0.96 here.
    @Test("with trees of our own, ranks correlate with scikit-learn's by 0.98 and more")
    func ranks() throws {
        var file = try GoldenFile("ranks.txt")
        var sets = 0
        while let head = file.line() {
            let numbers = head.dropFirst(2).compactMap { Int($0) }
            let expected = file.numbers()
            let rows = GoldenRows.make(
                String(head[1]), seed: UInt64(numbers[0]), count: numbers[1], columns: numbers[2])
            for seed in 1...3 {
                var generator = SeededGenerator(seed: UInt64(seed))
                let forest = try IsolationForest(
                    rows: rows.span, columns: numbers[2], parameters: .init(treeCount: 1000), using: &generator)
                var scores: [Double] = []
                try forest.score(rows: rows.span, into: &scores)
                let correlation = rankCorrelation(scores, expected)
                #expect(correlation >= 0.98, "\(head[1]), seed \(seed)")
            }
            sets += 1
        }
        #expect(sets == 4)
    }

    /// Only on rows where scikit-learn's own forests do, too, which differ in their seed alone.
    @Test("with a hundred trees of our own, ranks correlate by 0.98 where scikit-learn's own forests do")
    func ranksOfHundred() throws {
        var file = try GoldenFile("ranks100.txt")
        var sets = 0
        while let head = file.line() {
            let numbers = head.dropFirst(2).compactMap { Int($0) }
            let (expected, again) = (file.numbers(), file.numbers())
            #expect(rankCorrelation(expected, again) >= 0.98)
            let rows = GoldenRows.make(
                String(head[1]), seed: UInt64(numbers[0]), count: numbers[1], columns: numbers[2])
            for seed in 1...3 {
                var generator = SeededGenerator(seed: UInt64(seed))
                let forest = try IsolationForest(
                    rows: rows.span, columns: numbers[2], parameters: .init(treeCount: 100), using: &generator)
                var scores: [Double] = []
                try forest.score(rows: rows.span, into: &scores)
                let correlation = rankCorrelation(scores, expected)
                #expect(correlation >= 0.98, "\(numbers[2]) columns, seed \(seed)")
            }
            sets += 1
        }
        #expect(sets == 2)
    }

    @Test("thresholds of 64 bits part 32-bit values as they do", arguments: [0.1, -0.1, 1e-40, 16_777_217, -3.3e38])
    func rounding(threshold: Double) throws {
        let tree = ForeignTree(
            left: [1, -1, -1], right: [2, -1, -1], column: [0, 0, 0], threshold: [threshold, 0, 0],
            sampleCount: [300, 1, 200])
        let forest = try IsolationForest(foreign: [tree], columns: 1, sampleCount: 256)
        let near = Float(threshold)
        for value in [near.nextDown.nextDown, near.nextDown, near, near.nextUp, near.nextUp.nextUp] {
            let isLeft = Double(value) <= threshold
            let score = try #require(forest.score(at: [value]))
            #expect((score > 0.9) == isLeft)
        }
    }

    @Test("arrays that are no tree are refused")
    func foreignDamage() {
        let leaf = ForeignTree(left: [-1], right: [-1], column: [0], threshold: [0], sampleCount: [1])
        func refuse(_ change: (inout ForeignTree) -> Void) {
            var tree = ForeignTree(
                left: [1, -1, -1], right: [2, -1, -1], column: [0, 0, 0], threshold: [0, 0, 0], sampleCount: [3, 1, 2])
            change(&tree)
            #expect(throws: DetectionError.self) {
                try IsolationForest(foreign: [leaf, tree], columns: 2, sampleCount: 3)
            }
        }
        refuse { $0.left[0] = 0 }
        refuse { $0.left[0] = 3 }
        refuse { $0.right[0] = -1 }
        refuse { $0.right[0] = -2 }
        refuse { $0.left[2] = 0 }
        refuse { $0.right[0] = 0 }
        refuse { $0.column[0] = 2 }
        refuse { $0.column[0] = -1 }
        refuse { $0.threshold[0] = .nan }
        refuse { $0.threshold[0] = .infinity }
        refuse { $0.sampleCount[2] = -1 }
        refuse { $0.sampleCount.removeLast() }
        refuse { $0 = ForeignTree(left: [], right: [], column: [], threshold: [], sampleCount: []) }
        #expect(throws: DetectionError.parameter("0 trees")) {
            try IsolationForest(foreign: [], columns: 1, sampleCount: 1)
        }
        #expect(throws: DetectionError.self) { try IsolationForest(foreign: [leaf], columns: 1, sampleCount: 5000) }
    }
}
