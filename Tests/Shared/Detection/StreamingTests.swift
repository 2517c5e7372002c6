import Detection
import RuntimeSupport
import Testing

/// Noise of a seed, roughly normal: the sum of twelve uniform numbers less six.
struct Noise {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func next() -> Double {
        var sum = -6.0
        for _ in 0..<12 { sum += Double(generator.next() >> 11) * 0x1p-53 }
        return sum
    }
}

@Suite("Metric detector")
struct MetricDetectorTests {
    /// Feeds one value per minute, with trainings as they are wanted; the rows that alarmed.
    private func alarms(
        _ values: [Double], in detector: inout MetricDetector, from start: Int = 0, step: Int64 = 60_000
    ) -> [Int] {
        var rows: [Int] = []
        for (row, value) in values.enumerated() {
            if detector.observe(value, at: Int64(start + row) * step).alarm { rows.append(row) }
            if detector.wantsTraining { detector.train() }
        }
        return rows
    }

    private func noisy(_ count: Int, seed: UInt64 = 5, shiftedFrom: Int = .max) -> [Double] {
        var noise = Noise(seed: seed)
        return (0..<count).map { 100 + noise.next() + ($0 >= shiftedFrom ? 30 : 0) }
    }

    @Test("a jump of thirty deviations alarms at once, and once")
    func jump() {
        var detector = MetricDetector()
        let rows = alarms(noisy(1_100, shiftedFrom: 1_000), in: &detector)
        #expect(rows.filter { $0 >= 1_000 } == [1_000])
        #expect(rows.count <= 2)
    }

    @Test("a series that never moves has no score and no alarm")
    func constant() {
        var detector = MetricDetector()
        let rows = alarms([Double](repeating: 7, count: 2_000), in: &detector)
        #expect(rows.isEmpty)
        let verdict = detector.observe(7, at: 2_001 * 60_000)
        #expect(verdict.score == 0)
    }

    @Test("what rested for days and moves alarms; what rested for an hour does not")
    func rested() throws {
        var long = MetricDetector()
        let longRows = alarms([Double](repeating: 0, count: 3_000) + [1], in: &long)
        #expect(longRows == [3_000])
        var short = MetricDetector()
        let shortRows = alarms([Double](repeating: 0, count: 100) + [1], in: &short)
        #expect(shortRows.isEmpty)
        // Read back while it rests, and a cell after it moved.
        var copy = MetricDetector()
        _ = alarms([Double](repeating: 0, count: 3_000), in: &copy)
        for value in [1.0, 2.0] {
            copy = try MetricDetector(bytes: copy.bytes, configuration: DetectorConfiguration())
            let rows = alarms([value], in: &copy, from: 3_000 + Int(value) - 1)
            #expect(rows.isEmpty == (value == 2))
        }
    }

    @Test("the same seed gives the same verdicts")
    func replay() {
        var first = MetricDetector(series: 3)
        var second = MetricDetector(series: 3)
        var noise = Noise(seed: 8)
        for row in 0..<900 {
            let value = noise.next()
            let (one, other) = (
                first.observe(value, at: Int64(row) * 60_000), second.observe(value, at: Int64(row) * 60_000)
            )
            #expect(one == other)
            if first.wantsTraining { first.train() }
            if second.wantsTraining { second.train() }
        }
    }

    @Test("what is not finite, and time that does not pass, stays unscored and is counted")
    func unusable() {
        var detector = MetricDetector()
        _ = alarms(noisy(200), in: &detector)
        let before = detector.unscored
        func isScored(_ value: Double, _ time: Int64) -> Bool { detector.observe(value, at: time * 60_000).isScored }
        for value in [Double.nan, .infinity, -.infinity] { #expect(!isScored(value, 200)) }
        #expect(!isScored(100, 100))
        #expect(!isScored(100, 199))
        #expect(detector.unscored == before + 5)
        #expect(isScored(100, 200))
    }

    @Test("extreme values, gaps of years and times at the ends of the scale do not trap")
    func extremes() {
        var detector = MetricDetector()
        var time: Int64 = 0
        for row in 0..<3_000 {
            let value = [1e308, -1e308, 0, 1e-308, 5, .greatestFiniteMagnitude][row % 6]
            time += row % 97 == 0 ? 31_536_000_000 : 300_000
            let verdict = detector.observe(value, at: time)
            #expect((0...1).contains(verdict.score))
            if detector.wantsTraining { detector.train() }
        }
    }

    @Test("a clock that steps back is followed after a restart of the time")
    func clockStep() {
        var detector = MetricDetector()
        _ = alarms(noisy(400), in: &detector, from: 10_000)
        detector.restartTime()
        var noise = Noise(seed: 9)
        for row in 0..<50 {
            let verdict = detector.observe(100 + noise.next(), at: Int64(row) * 60_000)
            #expect(!verdict.alarm)
            if row > 1 { #expect(verdict.isScored) }
        }
    }

    @Test("samples of a second are judged in cells of ten")
    func cells() {
        var detector = MetricDetector()
        var noise = Noise(seed: 4)
        var scored = 0
        for second in 0..<3_600 {
            let verdict = detector.observe(noise.next(), at: Int64(second) * 1_000)
            if detector.wantsTraining { detector.train() }
            if verdict.isScored { scored += 1 }
            #expect(!verdict.alarm)
        }
        // Thirty cells of warm-up are 300 s.
        #expect((3_280...3_300).contains(scored))
    }

    @Test("a detector read back goes on as if nothing had happened")
    func persistence() throws {
        for cut in [5, 31, 200, 1_500] {
            var detector = MetricDetector(series: 1)
            let values = noisy(cut + 600, shiftedFrom: cut + 300)
            _ = alarms(Array(values[..<cut]), in: &detector)
            var copy = try MetricDetector(bytes: detector.bytes, configuration: DetectorConfiguration())
            let rows = alarms(Array(values[cut...]), in: &detector, from: cut)
            let copied = alarms(Array(values[cut...]), in: &copy, from: cut)
            #expect(rows == copied)
            #expect(detector.bytes == copy.bytes)
        }
    }

    @Test("bytes cut short or flipped are refused")
    func damage() {
        var detector = MetricDetector()
        _ = alarms(noisy(300), in: &detector)
        let bytes = detector.bytes
        for length in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: DetectionError.self) {
                try MetricDetector(bytes: Array(bytes[..<length]), configuration: DetectorConfiguration())
            }
        }
        for place in stride(from: 0, to: bytes.count, by: 11) {
            var flipped = bytes
            flipped[place] ^= 0x10
            #expect(throws: DetectionError.self) {
                try MetricDetector(bytes: flipped, configuration: DetectorConfiguration())
            }
        }
        #expect(throws: DetectionError.self) {
            try MetricDetector(
                bytes: GroupDetector(columns: 2).bytes, configuration: DetectorConfiguration())
        }
    }

    @Test("a metric costs less than 2 KB")
    func state() {
        var detector = MetricDetector()
        _ = alarms(noisy(3_000), in: &detector)
        #expect(detector.stateBytes <= 2_048)
        #expect(detector.bytes.count <= 2_048)
        var resting = MetricDetector()
        _ = alarms([Double](repeating: 7, count: 3_000), in: &resting)
        #expect(resting.stateBytes <= 900)
    }
}

@Suite("Group detector")
struct GroupDetectorTests {
    /// Two columns that move together, a third of its own.
    private func rows(_ count: Int, brokenFrom: Int = .max) -> [[Double]] {
        var noise = Noise(seed: 21)
        return (0..<count).map { row in
            let load = 50 + 40 * noise.next() / 3
            let partner = row >= brokenFrom ? 100 - load * 2 : load * 2
            return [load, partner + noise.next(), 1e9 + noise.next()]
        }
    }

    private func scores(_ rows: [[Double]], in detector: inout GroupDetector, from start: Int = 0) -> [Verdict] {
        rows.enumerated().map { row, values in
            let verdict = detector.observe(values.span, at: Int64(start + row) * 60_000)
            if detector.wantsTraining { detector.train() }
            return verdict
        }
    }

    @Test("columns that no longer move together score higher, and the partner is named")
    func broken() throws {
        var detector = GroupDetector(columns: 3)
        let verdicts = scores(rows(2_100, brokenFrom: 2_000), in: &detector)
        func mean(_ range: Range<Int>) -> Float { verdicts[range].map(\.score).reduce(0, +) / Float(range.count) }
        #expect(mean(2_000..<2_100) > 5 * mean(1_900..<2_000))
        let blamed = detector.contributions(top: 2)
        #expect(blamed.count == 2)
        #expect(blamed[0].column != 2)
        #expect(blamed[0].share <= 1 && blamed[0].share >= blamed[1].share)
    }

    @Test("missing values keep the last one; a row of nothing is unscored")
    func missing() {
        var detector = GroupDetector(columns: 3)
        _ = scores(rows(500), in: &detector)
        let before = detector.unscored
        let gap = [Double.nan, 100, .infinity]
        func isScored(_ row: [Double], _ time: Int64) -> Bool {
            detector.observe(row.span, at: time * 60_000).isScored
        }
        #expect(isScored(gap, 500))
        #expect(!isScored([.nan, .nan, .nan], 501))
        #expect(!isScored(gap, 400))
        #expect(detector.unscored == before + 2)
    }

    @Test("a detector read back goes on as if nothing had happened; damage is refused")
    func persistence() throws {
        for cut in [3, 64, 700] {
            var detector = GroupDetector(columns: 3)
            let all = rows(cut + 300)
            _ = scores(Array(all[..<cut]), in: &detector)
            let bytes = detector.bytes
            var copy = try GroupDetector(bytes: bytes, configuration: DetectorConfiguration())
            let rest = Array(all[cut...])
            let (verdicts, copied) = (scores(rest, in: &detector, from: cut), scores(rest, in: &copy, from: cut))
            #expect(verdicts == copied)
            for length in stride(from: 0, to: bytes.count, by: 101) {
                #expect(throws: DetectionError.self) {
                    try GroupDetector(bytes: Array(bytes[..<length]), configuration: DetectorConfiguration())
                }
            }
        }
    }

    @Test("forty columns cost less than 2 KB each")
    func state() {
        var noise = Noise(seed: 2)
        var detector = GroupDetector(columns: 40)
        let rows = (0..<1_500).map { _ in (0..<40).map { _ in noise.next() } }
        _ = scores(rows, in: &detector)
        #expect(detector.stateBytes < 40 * 2_048)
    }
}
