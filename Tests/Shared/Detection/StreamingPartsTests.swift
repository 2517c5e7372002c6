import Detection
import RuntimeSupport
import Testing

@Suite("Parts of the streaming detectors")
struct StreamingPartsTests {
    @Test("evidence of an exponential tail is its decimal logarithm")
    func tail() {
        var generator = SeededGenerator(seed: 1)
        var tail = TailCalibration()
        for _ in 0..<15_000 {
            let uniform = Float(generator.next() >> 40) / Float(1 << 24)
            tail.add(-3 * logarithm(1 - uniform), share: 0.1)
        }
        // P(value > v) = exp(-v / 3).
        for digits in [1.5, 2, 3, 4, 6] as [Float] {
            let value = 3 * digits * 2.302_585
            #expect(abs(tail.evidence(of: value, grain: 0) - digits) < 0.15 * digits)
        }
        #expect(tail.evidence(of: 1, grain: 0) == 0)
        #expect(tail.evidence(of: 30, grain: 1e6) < 1.1)
    }

    /// The natural logarithm for 0 < x ≤ 1, by its series around the nearest power of two.
    private func logarithm(_ value: Float) -> Float {
        guard value > 0 else { return -16 }
        let base = value.significand
        let ratio = (base - 1) / (base + 1)
        var sum: Float = 0
        var power = ratio
        for odd in stride(from: 1, to: 20, by: 2) {
            sum += power / Float(odd)
            power *= ratio * ratio
        }
        return 2 * sum + Float(value.exponent) * 0.693_147_2
    }

    @Test("the season is silent for two days, then knows the hour and notices what is not like it")
    func season() throws {
        var season = SeasonalBaseline()
        func value(_ minute: Int) -> Float { (minute / 60) % 24 < 8 ? 10 : 50 }
        var last: (one: Float, two: Float)?
        for minute in stride(from: 0, to: 5 * 1_440, by: 5) {
            last = season.observe(value(minute), at: Int64(minute) * 60_000, isCoarse: true)
            if minute < 2 * 1_440 { #expect(last == nil) }
        }
        // Hours are kept to a hundredth of their range.
        #expect(try #require(last).one < 0.4)
        var strange: Float = 0
        for minute in stride(from: 5 * 1_440, to: 5 * 1_440 + 120, by: 5) {
            strange = season.observe(50, at: Int64(minute) * 60_000, isCoarse: true)?.one ?? 0
        }
        #expect(abs(strange - 40) < 0.1)
    }

    @Test("a season that rests takes no room, and knows the same of its hours when it moves")
    func resting() {
        // The other one moved once, a hair, before the first hour that counts.
        var (resting, moved) = (SeasonalBaseline(), SeasonalBaseline())
        _ = moved.observe(5.000_01, at: -3_600_000, isCoarse: false)
        for second in stride(from: 0 as Int64, to: 4 * 86_400, by: 10) {
            let value: Float = second < 3 * 86_400 + 600 ? 5 : 9
            if second == 3 * 86_400 { #expect(resting.stateBytes == 0 && moved.stateBytes > 400) }
            let one = resting.observe(value, at: second * 1000, isCoarse: false)
            let other = moved.observe(value, at: second * 1000, isCoarse: false)
            guard let one, let other else {
                // The other is an hour older.
                #expect(one == nil && (other == nil || second < 2 * 86_400 + 7_200))
                continue
            }
            #expect(abs(one.one - other.one) < 0.02 && abs(one.two - other.two) < 0.02)
        }
        #expect(resting.stateBytes == moved.stateBytes)
    }

    @Test("an alarm waits for the gate, for cells that agree, and rests")
    func policy() {
        var coarse = AlarmPolicy()
        var rows: [Int] = []
        for row in 0..<500 where coarse.observe(9, cellMilliseconds: 300_000) { rows.append(row) }
        #expect(rows == [150, 251, 352, 453])
        var finePolicy = AlarmPolicy()
        func fine(_ evidence: Float) -> Bool { finePolicy.observe(evidence, cellMilliseconds: 10_000) }
        for _ in 0..<200 { #expect(!fine(0)) }
        #expect(!fine(9))
        #expect(!fine(0))
        for _ in 0..<20 { #expect(!fine(1)) }
        let answers = (0..<6).map { _ in fine(9) }
        #expect(answers.filter { $0 }.count == 1)
        #expect(!answers[0] && !answers[1])
        #expect(AlarmPolicy.threshold(cellMilliseconds: 10_000) > AlarmPolicy.threshold(cellMilliseconds: 300_000) + 1)
    }

    @Test("of samples a second apart, what is extreme alarms after twenty minutes of cells, what is rare after 25")
    func early() {
        func first(_ evidence: Float, _ extreme: Float) -> Int? {
            var policy = AlarmPolicy()
            return (0..<500).first { _ in policy.observe(evidence, extreme: extreme, cellMilliseconds: 10_000) }
        }
        #expect(first(0, 9) == 120)
        #expect(first(9, 0) == 152)
        #expect(first(0, 0) == nil)
    }

    @Test("each alarm raises the threshold for a while: what alarms often must grow to go on")
    func rise() {
        var policy = AlarmPolicy()
        func alarms(_ cells: Int, _ evidence: Float) -> Int {
            (0..<cells).filter { _ in policy.observe(evidence, cellMilliseconds: 300_000) }.count
        }
        // Nine, if the threshold stayed.
        #expect(alarms(1_000, 3) == 5)
        #expect(alarms(2_000, 0) == 0)
        #expect(alarms(1, 3) == 1)
    }

    @Test("what lies beyond everything met before is extreme, the more has been met the sooner; the edge is not")
    func extremes() {
        var extremes = Extremes()
        func evidence(_ value: Float, _ change: Float = 0) -> Float { extremes.evidence(of: value, change: change) }
        for number in 0..<29 { extremes.add(Float(number % 11), change: Float(number % 3) - 1) }
        #expect(evidence(1000) == 0)
        for number in 29..<100 { extremes.add(Float(number % 11), change: Float(number % 3) - 1) }
        // A hundred values from 0 to 10: two ranges beyond is 0.7 × (2 + 1) × log10(101).
        #expect(abs(evidence(30) - 4.21) < 0.01 && abs(evidence(-20) - 4.21) < 0.01)
        #expect(evidence(10) == 0 && evidence(0) == 0 && evidence(11) < 0.3)
        #expect(abs(evidence(5, 5) - 4.21) < 0.01)
        for number in 0..<10_000 { extremes.add(Float(number % 11), change: 0) }
        #expect(evidence(30) > 7)
        // What was met is not extreme again until two spans have gone by.
        extremes.add(30, change: 0)
        #expect(evidence(30) == 0)
        for number in 0..<40_000 { extremes.add(Float(number % 11), change: 0) }
        #expect(evidence(30) > 7)
        #expect(evidence(.greatestFiniteMagnitude) == 30)
        var resting = Extremes()
        for _ in 0..<1_000 { resting.add(5, change: 0) }
        #expect(resting.evidence(of: 6, change: 1) == 0)
    }

    @Test("a counter's rate is nothing at its first reading, after a reset and while time stands")
    func rate() {
        var counter = CounterRate()
        func rate(_ value: Double, _ time: Int64) -> Double? { counter.rate(of: value, at: time) }
        #expect(rate(10, 1_000) == nil)
        #expect(rate(30, 3_000) == 10)
        #expect(rate(5, 4_000) == nil)
        #expect(rate(6, 5_000) == 1)
        #expect(rate(.nan, 6_000) == nil)
        #expect(rate(7, 5_000) == nil)
    }
}
