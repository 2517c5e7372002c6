import Detection
import RuntimeSupport
import Testing

@Suite("isolation forest")
struct IsolationForestTests {
    private func forest(
        _ rows: [Float], columns: Int, _ parameters: IsolationForest.Parameters = .init(), seed: UInt64 = 7
    ) throws -> IsolationForest {
        var generator = SeededGenerator(seed: seed)
        return try IsolationForest(rows: rows.span, columns: columns, parameters: parameters, using: &generator)
    }
    private func scores(_ forest: IsolationForest, _ rows: [Float]) throws -> [Double] {
        var scores: [Double] = []
        try forest.score(rows: rows.span, into: &scores)
        return scores
    }

    private static let kinds: [IsolationForest.Parameters] = [
        .init(treeCount: 30, sampleCount: 64), .init(treeCount: 30, sampleCount: 64, terms: 3),
        .init(treeCount: 1, sampleCount: 4096), .init(treeCount: 5, sampleCount: 2),
        .init(treeCount: 5, sampleCount: 1),
    ]

    @Test("what lies apart scores higher, with cuts along axes and with hyperplanes", arguments: [1, 2])
    func apart(terms: Int) throws {
        let rows = GoldenRows.make("bell", seed: 5, count: 500, columns: 2)
        let forest = try forest(rows, columns: 2, .init(terms: terms))
        let centre = try #require(forest.score(at: [0, 0]))
        let far = try #require(forest.score(at: [12, -12]))
        #expect(centre < 0.5)
        #expect(far > 0.65)
        #expect(forest.treeCount == 100)
        #expect(forest.sampleCount == 256)
    }

    @Test("the same seed gives the same forest, another one another", arguments: kinds[..<2])
    func seeds(parameters: IsolationForest.Parameters) throws {
        let rows = GoldenRows.make("clusters", seed: 6, count: 300, columns: 3)
        #expect(try forest(rows, columns: 3, parameters).bytes == forest(rows, columns: 3, parameters).bytes)
        #expect(try forest(rows, columns: 3, parameters).bytes != forest(rows, columns: 3, parameters, seed: 8).bytes)
    }

    @Test("batches of any size say what single points say", arguments: kinds, [1, 3, 4, 5, 255, 256, 257, 600])
    func batches(parameters: IsolationForest.Parameters, count: Int) throws {
        let rows = GoldenRows.make("dependent", seed: 9, count: 600, columns: 5)
        let forest = try forest(rows, columns: 5, parameters)
        let all = try scores(forest, Array(rows[..<(count * 5)]))
        let single = (0..<count).map { forest.score(rows.span.extracting($0 * 5..<$0 * 5 + 5)) ?? .nan }
        #expect(all.count == count)
        // Sums are taken in the same order of trees.
        #expect(all == single)
    }

    @Test("ranks do not change with the columns' scale and place")
    func affine() throws {
        let rows = GoldenRows.make("bell", seed: 10, count: 400, columns: 2)
        let doubled = rows.map { 4096 * $0 }
        let exact = try scores(forest(rows, columns: 2), rows)
        #expect(try scores(forest(doubled, columns: 2), doubled) == exact)
        let mirrored = rows.enumerated().map { $0.offset % 2 == 0 ? -3 * $0.element + 50 : 0.01 * $0.element - 7 }
        let moved = try scores(forest(mirrored, columns: 2), mirrored)
        #expect(rankCorrelation(moved, exact) > 0.93)
    }

    @Test("rows that are all the same say nothing of each other")
    func constant() throws {
        for parameters in Self.kinds {
            let rows = [Float](repeating: 3, count: 300)
            let scores = try scores(forest(rows, columns: 3, parameters), rows)
            #expect(Set(scores).count == 1)
        }
    }

    @Test("a column that does not vary changes nothing but which columns are drawn")
    func constantColumn() throws {
        let rows = GoldenRows.make("bell", seed: 11, count: 300, columns: 1)
        let wide = rows.flatMap { value -> [Float] in [value, 42] }
        let correlation = rankCorrelation(
            try scores(forest(rows, columns: 1), rows), try scores(forest(wide, columns: 2), wide))
        #expect(correlation > 0.93)
    }

    @Test("one row scores a half; duplicates score lower than the one that differs")
    func few() throws {
        let one = try forest([1, 2], columns: 2)
        #expect(one.sampleCount == 1)
        #expect(one.score(at: [1, 2]) == 0.5)
        #expect(one.score(at: [9, 9]) == 0.5)
        let rows = [Float](repeating: 1, count: 20) + [2]
        let forest = try forest(rows, columns: 1)
        #expect(forest.sampleCount == 21)
        let (same, other) = (try #require(forest.score(at: [1])), try #require(forest.score(at: [2])))
        #expect(same < other)
    }

    @Test("rows with NaN or infinity are left out and counted; such points are not scored")
    func notFinite() throws {
        let clean = GoldenRows.make("bell", seed: 12, count: 300, columns: 2)
        let dirty = [.nan, 1, 1, .infinity] + clean + [-.infinity, .nan]
        for parameters in Self.kinds[..<2] {
            let learnt = try forest(dirty, columns: 2, parameters)
            #expect(learnt.skippedCount == 3)
            #expect(try learnt.bytes == forest(clean, columns: 2, parameters).bytes)
            for point: [Float] in [[.nan, 0], [0, .infinity], [-.infinity, 0]] {
                #expect(learnt.score(at: point) == nil)
            }
            let batch = try scores(learnt, dirty)
            #expect(batch.indices.filter { batch[$0].isNaN } == [0, 1, 302])
        }
        #expect(throws: DetectionError.nothingToLearn) { try forest([.nan, 1], columns: 2) }
        #expect(throws: DetectionError.nothingToLearn) { try forest([], columns: 2) }
    }

    @Test("values at the ends of the range neither trap nor come out of 0...1", arguments: kinds)
    func extremes(parameters: IsolationForest.Parameters) throws {
        let ends: [Float] = [
            .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 0,
            -0.0,
            1, -1,
        ]
        let rows = ends.flatMap { one in ends.flatMap { [one, $0] } }
        for score in try scores(forest(rows, columns: 2, parameters), rows) { #expect((0...1).contains(score)) }
    }

    @Test("zero and negative zero are one value")
    func zeros() throws {
        let forest = try forest([0, -0.0, 0, -0.0, 1], columns: 1)
        #expect(forest.score(at: [0]) == forest.score(at: [-0.0]))
    }

    @Test("parameters and shapes out of range are refused")
    func refusals() {
        func refuse(_ rows: [Float], columns: Int, _ parameters: IsolationForest.Parameters = .init()) {
            #expect(throws: DetectionError.self) { try forest(rows, columns: columns, parameters) }
        }
        refuse([1, 2, 3], columns: 2)
        refuse([1, 2, 3], columns: 0)
        refuse([1, 2, 3], columns: -1)
        refuse([Float](repeating: 0, count: 257), columns: 257)
        refuse([1], columns: 1, .init(treeCount: 0))
        refuse([1], columns: 1, .init(treeCount: 1001))
        refuse([1], columns: 1, .init(sampleCount: 0))
        refuse([1], columns: 1, .init(sampleCount: 4097))
        refuse([1], columns: 1, .init(terms: 0))
    }

    @Test("a point of other columns is not scored, rows of other columns are refused")
    func shapes() throws {
        let forest = try forest([1, 2, 3, 4], columns: 2)
        #expect(forest.score(at: [1]) == nil)
        #expect(forest.score(at: [1, 2, 3]) == nil)
        #expect(throws: DetectionError.raggedRows(values: 3, columns: 2)) { try scores(forest, [1, 2, 3]) }
        #expect(try scores(forest, []) == [])
    }
}
