import Detection
import RuntimeSupport
import Testing

@Suite("Trouble is not learnt as normal")
struct LearningHoldTests {
    private static let cell: Int64 = 10_000

    /// Cells of ten seconds from 100 with a noise of 1; `fault` is added.
    private func alarms(
        _ cells: Int, fault: Double = 0, in detector: inout MetricDetector, _ noise: inout Noise, _ at: inout Int64
    ) -> (alarms: [Int], anomalous: [Int]) {
        var found: (alarms: [Int], anomalous: [Int]) = ([], [])
        for row in 0..<cells {
            at += 1
            let verdict = detector.observe(100 + noise.next() + fault, at: at * Self.cell)
            if verdict.alarm { found.alarms.append(row) }
            if verdict.isAnomalous { found.anomalous.append(row) }
            if detector.wantsTraining { detector.train() }
        }
        return found
    }

    @Test("the same trouble alarms again each half hour, the cell after it is calm", arguments: [3, 4, 5] as [UInt64])
    func again(seed: UInt64) {
        var detector = MetricDetector(configuration: DetectorConfiguration(seed: seed))
        var noise = Noise(seed: seed)
        var at: Int64 = 0
        #expect(alarms(400, in: &detector, &noise, &at).alarms.isEmpty)
        for _ in 0..<4 {
            let during = alarms(8, fault: 40, in: &detector, &noise, &at)
            #expect(during.alarms.first.map { $0 <= 3 } == true && during.anomalous.count == 8)
            let after = alarms(180, in: &detector, &noise, &at)
            #expect(after.alarms.isEmpty && after.anomalous.prefix(2).allSatisfy { $0 > 1 })
        }
    }

    @Test("what changes for good alarms, and is normal after seven minutes and some")
    func lasting() {
        var detector = MetricDetector()
        var noise = Noise(seed: 6)
        var at: Int64 = 0
        _ = alarms(400, in: &detector, &noise, &at)
        let first = alarms(90, fault: 40, in: &detector, &noise, &at)
        #expect(!first.alarms.isEmpty && first.anomalous.count >= Int(LearningHold.cellsMax))
        let later = alarms(1_000, fault: 40, in: &detector, &noise, &at)
        #expect(later.alarms.isEmpty && later.anomalous.count < 60, "\(later)")
    }

    @Test("what comes every quarter of an hour is learnt before long")
    func frequent() {
        var detector = MetricDetector()
        var noise = Noise(seed: 7)
        var at: Int64 = 0
        _ = alarms(400, in: &detector, &noise, &at)
        var told: [Int] = []
        for _ in 0..<60 {
            told.append(alarms(8, fault: 40, in: &detector, &noise, &at).alarms.count)
            _ = alarms(82, in: &detector, &noise, &at)
        }
        #expect(told[..<5].allSatisfy { $0 > 0 })
        #expect(told[20...].reduce(0, +) <= 4, "\(told)")
    }

    @Test("a steady slope goes on as it was after trouble")
    func slope() {
        var detector = MetricDetector()
        var noise = Noise(seed: 8)
        var at: Int64 = 0
        var anomalous: [Int64] = []
        for cell in 1...700 as ClosedRange<Int64> {
            let fault: Double = (500..<508).contains(cell) ? 5_000 : 0
            at += 1
            let verdict = detector.observe(Double(10 * at) + noise.next() + fault, at: at * Self.cell)
            if verdict.isAnomalous { anomalous.append(cell) }
            if detector.wantsTraining { detector.train() }
        }
        #expect(anomalous.filter { (500..<508).contains($0) }.count == 8)
        #expect(anomalous.filter { $0 >= 510 }.count <= 6, "\(anomalous)")
    }

    @Test("a detector read back amid trouble goes on as if nothing had happened")
    func persistence() throws {
        for cut in 398...412 {
            var detector = MetricDetector()
            var noise = Noise(seed: 9)
            var at: Int64 = 0
            _ = alarms(min(cut, 400), in: &detector, &noise, &at)
            if cut > 400 { _ = alarms(cut - 400, fault: 40, in: &detector, &noise, &at) }
            var copy = try MetricDetector(bytes: detector.bytes, configuration: DetectorConfiguration())
            var (noiseAgain, atAgain) = (noise, at)
            let went = alarms(30, fault: 40, in: &detector, &noise, &at)
            let copied = alarms(30, fault: 40, in: &copy, &noiseAgain, &atAgain)
            #expect(went == copied)
            #expect(detector.bytes == copy.bytes)
        }
    }

    @Test("a group tells the same trouble again, too, and goes on over a restart amid it")
    func group() throws {
        var detector = GroupDetector(columns: 3)
        var noise = Noise(seed: 10)
        var at: Int64 = 0
        func row(_ fault: Double) -> [Double] {
            let load = noise.next()
            return [load + fault, 2 * load + noise.next(), 1e9 + noise.next()]
        }
        func alarms(_ cells: Int, _ fault: Double = 0) throws -> Int {
            var count = 0
            for _ in 0..<cells {
                at += 1
                let values = row(fault)
                var copy = try GroupDetector(bytes: detector.bytes, configuration: DetectorConfiguration())
                let verdict = detector.observe(values.span, at: at * Self.cell)
                if verdict.alarm { count += 1 }
                if fault > 0 {
                    let copied = copy.observe(values.span, at: at * Self.cell)
                    #expect(copied == verdict && copy.bytes == detector.bytes)
                }
                if detector.wantsTraining { detector.train() }
            }
            return count
        }
        #expect(try alarms(400) == 0)
        for _ in 0..<3 {
            #expect(try alarms(8, 60) > 0)
            #expect(try alarms(180) == 0)
        }
    }

    @Test("of single cells above the threshold nothing is kept back for good; the store of what is left out is bounded")
    func steps() {
        var policy = AlarmPolicy(cells: 200)
        var hold = LearningHold()
        func step(_ evidence: Float) -> LearningHold.Step {
            _ = policy.observe(evidence, cellMilliseconds: Self.cell)
            return hold.step(isAnomalous: evidence > 2, policy)
        }
        #expect([0, 9, 0, 0, 0, 0].map(step) == [.learn, .wait, .wait, .wait, .learnAll, .learn])
        #expect([9, 1, 9, 9, 9, 3, 1].map(step) == [.wait, .wait, .wait, .leaveOut, .leaveOut, .leaveOut, .learn])
        var leftOut = 0
        for _ in 0..<1_000 where step(30) == .leaveOut { leftOut += 1 }
        #expect(leftOut >= 30 && leftOut <= Int(LearningHold.cellsMax) + 10)
    }
}
