import Detection
import RuntimeSupport
import Testing

/// The members that stand on a memory's rows: the forest that is grown along a path, and DBSCAN's noise.
@Suite("members on a memory")
struct MembersTests {
    private func cloud(_ count: Int, columns: Int, seed: UInt64) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count * columns).map { _ in UInt8(100 + generator.next() % 40) }
    }

    @Test("a point is isolated the sooner the farther it is out, and equal points score equally")
    func isolation() {
        let columns = 5
        let codes = cloud(200, columns: columns, seed: 3)
        let rows = (0..<200).map { UInt16($0) }
        func score(_ value: UInt8, seed: UInt64 = 1) -> Float {
            let point = [UInt8](repeating: value, count: columns)
            return PathForest(trees: 50, sample: 64).score(
                point.span, among: rows.span, of: codes.span, stride: columns, columns: columns, seed: seed)
        }
        let scores = ([120, 139, 150, 180, 255] as [UInt8]).map { score($0) }
        #expect(zip(scores, scores.dropFirst()).allSatisfy { $0 < $1 })
        #expect(scores.allSatisfy { $0 > -1 && $0 < 1 })
        #expect(score(180) == score(180))
        #expect(score(180) != score(180, seed: 2))
    }

    @Test("rows that are all the same, and too few of them, say nothing and do not trap")
    func nothing() {
        let same = [UInt8](repeating: 7, count: 40)
        let all = (0..<20).map { UInt16($0) }
        let forest = PathForest(trees: 10, sample: 32)
        func score(_ point: [UInt8], _ rows: [UInt16]) -> Float {
            forest.score(point.span, among: rows.span, of: same.span, stride: 2, columns: 2, seed: 1)
        }
        #expect(score([7, 7], []) == 0)
        #expect(score([7, 7], [3]) == 0)
        #expect(score([7, 7], all) <= 0)
        #expect(score([255, 0], all) > 0.5)
    }

    @Test("what it isolates is by and large what a forest with trees isolates")
    func agreement() throws {
        let columns = 4
        let codes = cloud(256, columns: columns, seed: 9)
        let rows = (0..<256).map { UInt16($0) }
        var generator = SeededGenerator(seed: 5)
        let whole = try IsolationForest(
            rows: codes.map(Float.init).span, columns: columns, parameters: .init(treeCount: 300), using: &generator)
        var (ours, theirs) = ([Double](), [Double]())
        for _ in 0..<400 {
            let point = (0..<columns).map { _ in UInt8(80 + generator.next() % 80) }
            let score = PathForest(trees: 300, sample: 256).score(
                point.span, among: rows.span, of: codes.span, stride: columns, columns: columns, seed: 1)
            ours.append(Double(score))
            theirs.append(whole.score(at: point.map(Float.init)) ?? .nan)
        }
        #expect(rankCorrelation(ours, theirs) > 0.75)
    }

    @Test("noise is what lies apart, at most the share, and nothing where all are the same or few")
    func noise() {
        var generator = SeededGenerator(seed: 4)
        var rows: [Float] = (0..<120).map { _ in Float(generator.next() % 1_000) / 1_000 }
        rows += [50, 50, -80, 90]
        let isNoise = DBSCAN.noise(rows: rows.span, columns: 2, share: 0.1)
        #expect(isNoise.count == 62)
        #expect(isNoise[60] && isNoise[61])
        #expect(isNoise.filter { $0 }.count <= 7)
        let same = [Float](repeating: 3, count: 60)
        #expect(!DBSCAN.noise(rows: same.span, columns: 2, share: 0.1).contains(true))
        #expect(
            DBSCAN.noise(rows: rows.span.extracting(0..<20), columns: 2, share: 0.1)
                == [Bool](repeating: false, count: 10))
        #expect(DBSCAN.noise(rows: Span<Float>(), columns: 2, share: 0.1).isEmpty)
    }
}
