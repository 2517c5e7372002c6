import Detection
import RuntimeSupport
import Testing

@Suite("compact forest")
struct CompactForestTests {
    private func forest(
        _ rows: [Float], columns: Int, _ parameters: CompactForest.Parameters = .init(), seed: UInt64 = 7
    ) throws -> CompactForest {
        var generator = SeededGenerator(seed: seed)
        return try CompactForest(rows: rows.span, columns: columns, parameters: parameters, using: &generator)
    }
    private func scores(_ forest: CompactForest, _ rows: [Float]) -> [Double] {
        (0..<rows.count / forest.columns).map {
            forest.score(rows.span.extracting($0 * forest.columns..<($0 + 1) * forest.columns)) ?? .nan
        }
    }

    @Test(
        "takes what it says",
        arguments: [(16, 32, 1, 1532), (16, 32, 5, 1564), (25, 32, 3, 2394), (20, 16, 4, 972), (25, 64, 5, 4810)])
    func size(treeCount: Int, sampleCount: Int, columns: Int, sizeBytes: Int) throws {
        let rows = GoldenRows.make("bell", seed: 1, count: 200, columns: columns)
        let forest = try forest(rows, columns: columns, .init(treeCount: treeCount, sampleCount: sampleCount))
        #expect(forest.sizeBytes <= sizeBytes)
        #expect(forest.bytes.count <= sizeBytes)
    }

    @Test("ranks as the full forest does, as far as so few trees can", arguments: ["bell", "clusters", "dependent"])
    func agreement(name: String) throws {
        let rows = GoldenRows.make(name, seed: 13, count: 600, columns: 4)
        var generator = SeededGenerator(seed: 1)
        let full = try IsolationForest(
            rows: rows.span, columns: 4, parameters: .init(treeCount: 200, sampleCount: 64), using: &generator)
        var expected: [Double] = []
        try full.score(rows: rows.span, into: &expected)
        let many = try forest(rows, columns: 4, .init(treeCount: 200, sampleCount: 64))
        #expect(rankCorrelation(scores(many, rows), expected) > 0.95)
        #expect(rankCorrelation(scores(try forest(rows, columns: 4), rows), expected) > 0.6)
    }

    @Test("columns of any scale are measured by themselves")
    func scales() throws {
        let rows = GoldenRows.make("bell", seed: 14, count: 400, columns: 2)
        let moved = rows.enumerated().map { $0.offset % 2 == 0 ? 1e12 * $0.element : 1e-12 * $0.element }
        let (plain, scaled) = (scores(try forest(rows, columns: 2), rows), scores(try forest(moved, columns: 2), moved))
        #expect(rankCorrelation(plain, scaled) > 0.99)
        let forest = try forest(moved, columns: 2)
        let ordinary = try #require(forest.score(at: [0, 0]))
        let far = try #require(forest.score(at: [1e14, 0]))
        let other = try #require(forest.score(at: [0, -1e-10]))
        #expect(ordinary < min(far, other))
    }

    @Test("mostly constant, constant, few and not finite rows")
    func oddRows() throws {
        var rows = [Float](repeating: 5, count: 200)
        rows[50] = 9
        rows[90] = .nan
        let mostly = try forest(rows, columns: 1, .init(treeCount: 50, sampleCount: 128))
        let (usual, rare) = (try #require(mostly.score(at: [5])), try #require(mostly.score(at: [9])))
        #expect(usual < rare)
        let constant = try forest([2, 2, 2], columns: 1)
        #expect(constant.score(at: [2]) == constant.score(at: [7]))
        #expect(try forest([2], columns: 1).score(at: [2]) == 0.5)
        #expect(mostly.score(at: [.nan]) == nil)
        #expect(mostly.score(at: [.infinity]) == nil)
        #expect(mostly.score(at: [1, 2]) == nil)
        #expect(throws: DetectionError.nothingToLearn) { try forest([.nan], columns: 1) }
        #expect(throws: DetectionError.self) { try forest([Float](repeating: 0, count: 17), columns: 17) }
        #expect(throws: DetectionError.self) { try forest([1], columns: 1, .init(treeCount: 256)) }
        #expect(throws: DetectionError.self) { try forest([1], columns: 1, .init(sampleCount: 257)) }
    }

    @Test("values at the ends of the range neither trap nor come out of 0...1")
    func extremes() throws {
        let ends: [Float] = [
            .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, 0, -0.0, 1, -1, 1e20,
        ]
        let rows = ends.flatMap { one in ends.flatMap { [one, $0] } }
        for score in scores(try forest(rows, columns: 2), rows) { #expect((0...1).contains(score)) }
    }

    @Test("the same seed gives the same bytes, and bytes give the same forest")
    func bytes() throws {
        let rows = GoldenRows.make("clusters", seed: 15, count: 300, columns: 3)
        let first = try forest(rows, columns: 3)
        #expect(try first.bytes == forest(rows, columns: 3).bytes)
        #expect(try first.bytes != forest(rows, columns: 3, seed: 8).bytes)
        let again = try CompactForest(bytes: first.bytes)
        #expect(again.bytes == first.bytes)
        #expect(scores(again, rows) == scores(first, rows))
    }
}
