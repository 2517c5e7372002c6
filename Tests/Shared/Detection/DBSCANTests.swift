import Detection
import RuntimeSupport
import Testing

@Suite("DBSCAN")
struct DBSCANTests {
    @Test("labels and core points are scikit-learn's, numbers of clusters included")
    func golden() throws {
        var file = try GoldenFile("dbscan.txt")
        var sets = 0
        while let head = file.line() {
            try #require(head.count == 7)
            let numbers = head.dropFirst(2).compactMap { Double($0) }
            let labels = file.numbers().map { Int32($0) }
            let cores = (file.line()?.first).map { $0.map { $0 == "1" } }
            let rows = GoldenRows.make(
                String(head[1]), seed: UInt64(numbers[0]), count: Int(numbers[1]), columns: Int(numbers[2]))
            let clustering = try DBSCAN(radius: numbers[3], neighbours: Int(numbers[4]))
                .cluster(rows, columns: Int(numbers[2]))
            #expect(clustering.labels == labels, "\(head)")
            #expect(clustering.isCore == cores, "\(head)")
            #expect(clustering.clusterCount == Int(labels.max() ?? -1) + 1)
            sets += 1
        }
        #expect(sets == 11)
    }

    /// The definition, word for word.
    private func reference(_ rows: [Float], columns: Int, radius: Double, neighbours: Int) -> [Int32] {
        let count = rows.count / columns
        func isNear(_ one: Int, _ other: Int) -> Bool {
            var sum = 0.0
            for column in 0..<columns {
                let difference = Double(rows[one * columns + column]) - Double(rows[other * columns + column])
                sum += difference * difference
            }
            return sum <= radius * radius
        }
        let near = (0..<count).map { one in (0..<count).filter { isNear(one, $0) } }
        var labels = [Int32](repeating: -1, count: count)
        var label: Int32 = 0
        for first in 0..<count where labels[first] < 0 && near[first].count >= neighbours {
            var open = [first]
            labels[first] = label
            while let point = open.popLast() {
                guard near[point].count >= neighbours else { continue }
                for other in near[point] where labels[other] < 0 {
                    labels[other] = label
                    open.append(other)
                }
            }
            label += 1
        }
        return labels
    }

    @Test(
        "random rows of random shapes are labelled as the definition labels them",
        arguments: 1...60 as ClosedRange<UInt64>)
    func model(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let columns = Int.random(in: 1...7, using: &random)
        let count = Int.random(in: 1...250, using: &random)
        let name = ["bell", "clusters", "grid"][Int(seed % 3)]
        let rows = GoldenRows.make(name, seed: seed, count: count, columns: columns)
        for radius in [0.3, 1, 2] {
            let neighbours = Int.random(in: 1...9, using: &random)
            let clustering = try DBSCAN(radius: radius, neighbours: neighbours)
                .cluster(rows, columns: columns)
            let expected = reference(rows, columns: columns, radius: radius, neighbours: neighbours)
            #expect(clustering.labels == expected, "\(name), \(count) × \(columns), \(radius), \(neighbours)")
        }
    }

    @Test("none, one, duplicates, and rows that are not finite")
    func oddRows() throws {
        let parameters = try DBSCAN(radius: 1, neighbours: 2)
        #expect(try parameters.cluster(([] as [Float]), columns: 3).labels == [])
        #expect(try parameters.cluster([7], columns: 1).labels == [-1])
        let same = [Float](repeating: 2, count: 400)
        #expect(try parameters.cluster(same, columns: 2).labels == [Int32](repeating: 0, count: 200))
        let dirty = try parameters.cluster([0, .nan, 0.5, .infinity, -.infinity, 9], columns: 1)
        #expect(dirty.labels == [0, -1, 0, -1, -1, -1])
        #expect(dirty.skippedCount == 3)
        #expect(try parameters.cluster([.nan], columns: 1).labels == [-1])
        let ends: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude]
        #expect(try parameters.cluster(ends, columns: 1).labels == [-1, -1])
        let all = try DBSCAN(radius: .greatestFiniteMagnitude, neighbours: 2)
        #expect(try all.cluster(ends, columns: 1).labels == [0, 0])
    }

    @Test("parameters and shapes out of range are refused")
    func refusals() throws {
        for radius in [0, -1, .nan, .infinity] {
            #expect(throws: DetectionError.self) { try DBSCAN(radius: radius, neighbours: 2) }
        }
        #expect(throws: DetectionError.parameter("neighbours 0")) { try DBSCAN(radius: 1, neighbours: 0) }
        let parameters = try DBSCAN(radius: 1, neighbours: 2)
        #expect(throws: DetectionError.self) { try parameters.cluster([1, 2, 3], columns: 2) }
        #expect(throws: DetectionError.self) { try parameters.cluster([1, 2, 3], columns: 0) }
    }

    @Test("chosen parameters follow the data's scale, and find its clusters")
    func choice() throws {
        let rows = GoldenRows.make("clusters", seed: 41, count: 600, columns: 2)
        let chosen = try DBSCAN.chosen(of: rows, columns: 2)
        #expect(chosen.neighbours == 4)
        let doubled = rows.map { 2 * $0 }
        #expect(try DBSCAN.chosen(of: doubled, columns: 2).radius == 2 * chosen.radius)
        let clustering = try chosen.cluster(rows, columns: 2)
        let noise = clustering.labels.count { $0 < 0 }
        #expect((6...120).contains(noise))
        #expect(clustering.clusterCount >= 3)
    }

    /// The rule as it is written, over all pairs.
    private func ruled(_ rows: [Float], columns: Int, share: Double) -> (radius: Double, neighbours: Int) {
        let count = rows.count / columns
        let neighbours = min(max(4, 2 * columns), count)
        var distances = (0..<min(count, 512)).map { index -> Double in
            let row = index * count / min(count, 512)
            let all = (0..<count).map { other in
                (0..<columns).reduce(0.0) { sum, column in
                    let difference = Double(rows[other * columns + column]) - Double(rows[row * columns + column])
                    return sum + difference * difference
                }
            }
            return all.sorted()[neighbours - 1].squareRoot()
        }
        distances.sort()
        distances.removeLast(Int(share * Double(distances.count)))
        let (first, last) = (distances[0], distances[distances.count - 1])
        let below = distances.indices.map {
            Double($0) / Double(distances.count - 1) - (distances[$0] - first) / (last - first)
        }
        guard let deepest = below.max(), deepest > 0.05, let knee = below.firstIndex(of: deepest) else {
            return (last, neighbours)
        }
        return (distances[knee], neighbours)
    }

    @Test("chosen parameters are those of the rule", arguments: 1...20 as ClosedRange<UInt64>)
    func choiceByRule(seed: UInt64) throws {
        let columns = Int(seed % 5) + 1
        let count = seed % 4 == 0 ? 1100 : 40 + Int(seed) * 20
        let rows = GoldenRows.make(seed % 2 == 0 ? "bell" : "clusters", seed: seed, count: count, columns: columns)
        let share = [0, 0.1, 0.3][Int(seed % 3)]
        let chosen = try DBSCAN.chosen(of: rows, columns: columns, trimming: share)
        let expected = ruled(rows, columns: columns, share: share)
        #expect(chosen.neighbours == expected.neighbours)
        #expect(chosen.radius == expected.radius)
    }

    @Test("rows that are the same, few rows and none")
    func choiceOfOddRows() throws {
        let same = [Float](repeating: 3, count: 100)
        #expect(try DBSCAN.chosen(of: same, columns: 1).radius == 3 * 0x1p-20)
        #expect(try DBSCAN.chosen(of: [0, 0], columns: 1) == DBSCAN(radius: 0x1p-20, neighbours: 2))
        let nearly = same + [4, 6]
        #expect(try DBSCAN.chosen(of: nearly, columns: 1).radius == 1)
        #expect(try DBSCAN.chosen(of: [5], columns: 1).neighbours == 1)
        #expect(throws: DetectionError.nothingToLearn) { try DBSCAN.chosen(of: [.nan], columns: 1) }
        #expect(throws: DetectionError.self) { try DBSCAN.chosen(of: same, columns: 1, trimming: 1) }
    }
}

@Suite("core points")
struct CorePointsTests {
    @Test("the distance to the nearest core point, in radii")
    func distances() throws {
        let rows = GoldenRows.make("clusters", seed: 42, count: 300, columns: 3)
        let parameters = try DBSCAN(radius: 1.5, neighbours: 5)
        let cores = try CorePoints(of: rows, columns: 3, parameters, limit: 4096)
        let clustering = try parameters.cluster(rows, columns: 3)
        #expect(cores.count == clustering.isCore.count { $0 })
        for row in 0..<300 {
            let point = Array(rows[row * 3..<row * 3 + 3])
            let nearest = (0..<300).filter { clustering.isCore[$0] }.map { core in
                (0..<3).map { point[$0] - rows[core * 3 + $0] }.map { $0 * $0 }.reduce(0, +).squareRoot()
            }.min()
            let distance = try #require(cores.distance(at: point))
            #expect(abs(distance - (nearest ?? .nan)) < 1e-4)
            let score = try #require(cores.score(at: point))
            #expect(abs(score - Double(distance) / 1.5) < 1e-4)
            #expect((score < 1.0001) == (clustering.labels[row] >= 0))
        }
    }

    @Test("no more than the limit is kept; without core points, all rows are")
    func limits() throws {
        let rows = GoldenRows.make("bell", seed: 43, count: 200, columns: 2)
        let cores = try CorePoints(of: rows, columns: 2, DBSCAN(radius: 3, neighbours: 4), limit: 13)
        #expect(cores.count == 13)
        let none = try CorePoints(of: rows + [.nan, 0], columns: 2, DBSCAN(radius: 1e-6, neighbours: 4), limit: 1000)
        #expect(none.count == 200)
        #expect(none.distance(at: Array(rows[..<2])) == 0)
    }

    @Test("points that are not finite, of other columns, or far beyond")
    func oddPoints() throws {
        let cores = try CorePoints(of: [0, 0, 0, 0], columns: 2, DBSCAN(radius: 1, neighbours: 2), limit: 8)
        #expect(cores.score(at: [.nan, 0]) == nil)
        #expect(cores.score(at: [0, .infinity]) == nil)
        #expect(cores.score(at: [0]) == nil)
        #expect(cores.score(at: [.greatestFiniteMagnitude, 0]) == .infinity)
        #expect(cores.score(at: [3, 4]) == 5)
        let parameters = try DBSCAN(radius: 1, neighbours: 2)
        #expect(throws: DetectionError.nothingToLearn) {
            try CorePoints(of: [.nan], columns: 1, parameters, limit: 8)
        }
        #expect(throws: DetectionError.parameter("limit 0")) {
            try CorePoints(of: [1], columns: 1, parameters, limit: 0)
        }
    }

    @Test("bytes give the same points")
    func bytes() throws {
        let rows = GoldenRows.make("bell", seed: 44, count: 90, columns: 3)
        let cores = try CorePoints(of: rows, columns: 3, DBSCAN(radius: 2, neighbours: 4), limit: 50)
        let again = try CorePoints(bytes: cores.bytes)
        #expect(again.bytes == cores.bytes)
        #expect(again.score(at: [1, 2, 3]) == cores.score(at: [1, 2, 3]))
    }
}
