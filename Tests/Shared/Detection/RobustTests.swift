import Detection
import RuntimeSupport
import Testing

@Suite("robust statistics")
struct RobustTests {
    @Test(
        "selection agrees with sorting, whatever the order and the duplicates", arguments: 1...40 as ClosedRange<UInt64>
    )
    func selection(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...120, using: &random)
        let kinds = UInt64.random(in: 1...30, using: &random)
        var values = (0..<count).map { _ in Float(random.next() % kinds) }
        if seed % 4 == 0 { values.sort() }
        if seed % 4 == 1 { values.sort(by: >) }
        if seed % 5 == 0 { values += [.infinity, -.infinity] }
        let sorted = values.sorted()
        for rank in sorted.indices {
            var scratch = values
            #expect(Robust.select(rank, of: &scratch) == sorted[rank])
            #expect(scratch.sorted() == sorted)
            #expect(scratch[..<rank].allSatisfy { $0 <= sorted[rank] })
            #expect(scratch[rank...].allSatisfy { $0 >= sorted[rank] })
        }
    }

    @Test("medians and deviations")
    func medians() {
        func spread(_ values: [Float]) -> [Float]? {
            var scratch = values
            return Robust.spread(of: &scratch).map { [$0.median, $0.deviation] }
        }
        #expect(spread([]) == nil)
        #expect(spread([4]) == [4, 0])
        #expect(spread([3, 1]) == [2, Robust.normalScale])
        #expect(spread([1, 2, 3, 4, 100]) == [3, Robust.normalScale])
        #expect(spread([5, 5, 5, 9]) == [5, 0])
        let huge = Float.greatestFiniteMagnitude
        #expect(spread([huge, huge])?.first == huge)
        let bell = GoldenRows.make("bell", seed: 3, count: 4000, columns: 1)
        let measured = spread(bell) ?? []
        #expect(measured.count == 2 && abs(measured[0]) < 0.1 && abs(measured[1] - 1) < 0.1)
    }

    @Test("values that are NaN end in some value, not in a trap")
    func nan() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SeededGenerator(seed: seed)
            var values = (0..<Int(1 + random.next() % 20)).map { _ in
                random.next() % 3 == 0 ? Float.nan : Float(random.next() % 5)
            }
            let count = values.count
            _ = Robust.median(of: &values)
            #expect(values.count == count)
        }
    }

    @Test("quantiles of a stream, beside those of all its values", arguments: [0, 0.05, 0.5, 0.9, 0.99, 1])
    func quantiles(share: Double) throws {
        var estimate = QuantileEstimate(share: share)
        #expect(estimate.value == nil)
        let values = GoldenRows.make("bell", seed: 4, count: 5000, columns: 1).map { Double($0) }
        for (index, value) in values.enumerated() {
            estimate.add(value)
            if index < 5 {
                let sorted = values[...index].sorted()
                #expect(estimate.value == sorted[Int((share * Double(index)).rounded())])
            }
        }
        estimate.add(.nan)
        estimate.add(.infinity)
        #expect(estimate.count == 5000)
        let exact = values.sorted()[Int(share * 4999)]
        let value = try #require(estimate.value)
        #expect(abs(value - exact) < (share == 0 || share == 1 ? 0.001 : share == 0.99 ? 0.5 : 0.1))
        #expect(MemoryLayout<QuantileEstimate>.size <= 96)
    }
}
