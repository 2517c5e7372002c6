import Ingest
import RuntimeSupport
import Testing

@Suite("sequence sets")
struct SequenceSetTests {
    @Test("random insertions agree with a set of numbers", arguments: 1...20)
    func model(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var set = SequenceSet()
        var model = Set<UInt64>()
        for _ in 0..<600 {
            if Bool.random(using: &generator) {
                let sequence = UInt64.random(in: 1...300, using: &generator)
                let expected: SequenceSet.Insertion = model.insert(sequence).inserted ? .inserted : .duplicate
                #expect(set.insert(sequence) == expected, "seed \(seed)")
            } else {
                let lower = UInt64.random(in: 1...300, using: &generator)
                let range = lower...(lower + UInt64.random(in: 0...12, using: &generator))
                #expect(set.count(within: range) == UInt64(range.filter(model.contains).count))
                let news = range.filter { model.insert($0).inserted }.count
                #expect(set.insert(range) == UInt64(news), "seed \(seed)")
            }
            check(set, model)
        }
        #expect(try SequenceSet(encoded: set.encoded()) == set)
    }

    private func check(_ set: SequenceSet, _ model: Set<UInt64>) {
        #expect(set.count == UInt64(model.count))
        #expect(set.highest == model.max() ?? 0)
        var contiguous: UInt64 = 0
        while model.contains(contiguous + 1) { contiguous += 1 }
        #expect(set.contiguous == contiguous)
        for sequence in UInt64(0)...320 { #expect(set.contains(sequence) == model.contains(sequence)) }
        var end = set.contiguous
        for range in set.ranges {
            #expect(range.lowerBound > end + 1)
            end = range.upperBound
        }
    }

    @Test("a set that would need more ranges refuses, but always takes what closes or extends one")
    func full() {
        var set = SequenceSet()
        for index in 1...UInt64(IngestLimits.rangesMax) { #expect(set.insert(index * 3) == .inserted) }
        let before = set
        #expect(set.insert(100_000) == .full)
        #expect(set.insert(100_000...200_000) == nil)
        #expect(set == before)
        #expect(set.insert(4) == .inserted)
        #expect(set.insert(1) == .inserted)
        #expect(set.contiguous == 1 && set.insert(2) == .inserted && set.contiguous == 4)
    }

    @Test("extreme numbers do not overflow")
    func extremes() throws {
        var set = SequenceSet()
        #expect(set.insert(0) == .duplicate)
        #expect(set.insert(.max) == .duplicate)
        #expect(set.insert(.max - 1) == .inserted)
        #expect(set.insert(5...(.max)) == UInt64.max - 6)
        #expect(set.insert(0...4) == 4)
        #expect(set.contiguous == .max - 1 && set.ranges.isEmpty)
        #expect(try SequenceSet(encoded: set.encoded()) == set)
    }

    @Test("any bytes decode to a sound set or to an error")
    func decoding() {
        var generator = SeededGenerator(seed: 3)
        var set = SequenceSet()
        for _ in 0..<50 { _ = set.insert(UInt64.random(in: 1...200, using: &generator)) }
        let bytes = set.encoded()
        for _ in 0..<5000 {
            var changed = bytes
            changed[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            guard let decoded = try? SequenceSet(encoded: changed) else { continue }
            #expect((try? SequenceSet(encoded: decoded.encoded())) == decoded)
        }
    }
}
