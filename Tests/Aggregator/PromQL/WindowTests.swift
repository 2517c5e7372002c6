import PromQL
import PromQLScripts
import RuntimeSupport
import Telemetry
import TestSupport
import Testing

/// Windows hold exactly the samples after their start and up to their end, however irregular samples and steps are.
@Suite(.ownThread) struct WindowTests {
    @Test("counts and last samples are those of looking at each window by itself", arguments: 1...20)
    func windows(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var time: Int64 = 1_000_000
        var samples: [(Int64, Double)] = []
        for number in 0..<400 {
            // Regular for a while, then gaps, bursts and other distances.
            let kind = Int.random(in: 0..<20, using: &generator)
            time += kind < 16 ? 15_000 : kind < 18 ? Int64.random(in: 1...200, using: &generator) : 400_000
            samples.append((time, Double(number)))
        }
        let source = MemorySource()
        source.add(SeriesKey(name: "a", labels: []), samples)
        let engine = QueryEngine(source: source, options: QueryOptions())
        for _ in 0..<10 {
            let start = Int64.random(in: 500_000...time, using: &generator)
            let step = [1_000, 15_000, 60_000, 61_234][Int.random(in: 0..<4, using: &generator)]
            let end = start + Int64(step) * Int64.random(in: 0...300, using: &generator)
            let width = Int64.random(in: 1...900, using: &generator) * 1000
            for (text, isCount) in [("count_over_time(a[\(width / 1000)s])", true), ("a", false)] {
                let result = try engine.range(
                    text, start: Timestamp(milliseconds: start), end: Timestamp(milliseconds: end), step: Int64(step))
                guard case .matrix(let matrix) = result.value else { continue }
                var expected: [Int64: Double] = [:]
                for at in stride(from: start, through: end, by: step) {
                    let inside = samples.filter { $0.0 > at - (isCount ? width : 300_000) && $0.0 <= at }
                    if let last = inside.last { expected[at] = isCount ? Double(inside.count) : last.1 }
                }
                let found = matrix.series.first.map {
                    Dictionary(uniqueKeysWithValues: zip($0.timestamps, $0.values))
                }
                #expect(found ?? [:] == expected, "seed \(seed): \(text) from \(start) every \(step)")
            }
        }
    }
}
