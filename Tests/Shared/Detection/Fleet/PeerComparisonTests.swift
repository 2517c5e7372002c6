import Detection
import RuntimeSupport
import Testing

@Suite("Nodes among their peers") struct PeerComparisonTests {
    private static func normal(_ generator: inout SeededGenerator) -> Float {
        // Twelve uniform ones: near enough to normal, and without tails.
        (0..<12).reduce(-6) { sum, _ in sum + Float.random(in: 0..<1, using: &generator) }
    }

    private func warm(nodes: Int, metrics: Int, minutes: Int, _ seed: UInt64 = 1) -> PeerComparison {
        var generator = SeededGenerator(seed: seed)
        var comparison = PeerComparison(metrics: metrics)
        for _ in 0..<nodes { comparison.addNode() }
        for _ in 0..<minutes {
            let rows = (0..<nodes).map { _ in (0..<metrics).map { _ in 100 + 10 * Self.normal(&generator) } }
            _ = comparison.observe(rows)
        }
        return comparison
    }

    @Test("a deviation is in spreads of the peers, and is told after half an hour only")
    func deviation() {
        var comparison = warm(nodes: 9, metrics: 1, minutes: PeerComparison.minutesMin - 1)
        let rows: [[Float]] = [[80], [90], [95], [98], [100], [102], [105], [110], [200]]
        #expect(comparison.observe(rows).allSatisfy { $0[0].isNaN })
        let late = comparison.observe(rows)
        #expect(late[8][0] > 5 && late[8][0] < 15 && abs(late[4][0]) < 1)
    }

    @Test("fewer than five nodes with the metric are not compared; a missing value is not judged")
    func few() {
        var comparison = warm(nodes: 6, metrics: 1, minutes: 60)
        let four = comparison.observe([[100], [101], [.nan], [99], [], [500]])
        #expect(four.allSatisfy { $0[0].isNaN })
        let five = comparison.observe([[100], [101], [.nan], [99], [100], [500]])
        #expect(five[2][0].isNaN && five[5][0] > 6)
        let infinite = comparison.observe([[100], [101], [.infinity], [99], [100], [500]])
        #expect(infinite[2][0].isNaN)
    }

    @Test("a node that is always different is not strange for long; one that becomes different is")
    func usual() {
        var comparison = warm(nodes: 8, metrics: 1, minutes: 60)
        var generator = SeededGenerator(seed: 9)
        func minute(_ first: Float) -> Float {
            let rows = (0..<8).map { [$0 == 0 ? first : 100 + 10 * Self.normal(&generator)] }
            return comparison.observe(rows)[0][0]
        }
        #expect(minute(200) > 6)
        for _ in 0..<1440 { _ = minute(200) }
        #expect(minute(200) < 3)
        #expect(minute(100) < -4)
    }

    @Test("where most nodes are equal, one that is not must stand out of many")
    func resting() {
        for (count, isStrange) in [(5, false), (40, true)] {
            var comparison = PeerComparison(metrics: 1)
            for _ in 0..<count { comparison.addNode() }
            for _ in 0..<60 { _ = comparison.observe(Array(repeating: [0], count: count)) }
            let rows = (0..<count).map { [$0 == 0 ? Float(1) : 0] }
            #expect((comparison.observe(rows)[0][0] >= StrangeMinutes.threshold) == isStrange)
        }
    }

    @Test("metrics and nodes may be added; huge values do not trap")
    func growth() {
        var comparison = warm(nodes: 5, metrics: 1, minutes: 40)
        comparison.widen(to: 3)
        comparison.addNode()
        #expect(comparison.metricCount == 3 && comparison.nodeCount == 6)
        let rows = (0..<6).map { [Float($0), .greatestFiniteMagnitude, -.greatestFiniteMagnitude] }
        for _ in 0..<40 { _ = comparison.observe(rows) }
        #expect(comparison.observe(rows)[0].count == 3)
        comparison.resetNode(99)
    }

    @Test("four strange minutes of five open, five calm ones close, ten silent ones too")
    func minutes() {
        var watch = StrangeMinutes()
        let strange = StrangeMinutes.threshold
        #expect([strange, 0, strange, strange].map { watch.observe($0) } == [nil, nil, nil, nil])
        #expect(watch.observe(strange) == .opened && watch.firstStrange == 4)
        #expect([StrangeMinutes.calm, 0, 0, 0, 0].map { watch.observe($0) } == [nil, nil, nil, nil, nil])
        #expect(watch.observe(0) == .closed && !watch.isOpen && watch.isAtRest)
        var silent = StrangeMinutes(isOpen: true)
        for _ in 1..<StrangeMinutes.silentMax { #expect(silent.observe(nil, isHeard: false) == nil) }
        #expect(silent.observe(nil, isHeard: false) == .closed)
        var unjudged = StrangeMinutes(isOpen: true)
        for _ in 1..<StrangeMinutes.unjudgedMax { #expect(unjudged.observe(nil) == nil) }
        #expect(unjudged.observe(nil) == .closed)
    }

    @Test("a node that joins is granted to be somewhat different, not to be far off")
    func joining() {
        for (value, isStrange) in [(Float(170), false), (400, true)] {
            var comparison = warm(nodes: 8, metrics: 1, minutes: 120)
            comparison.addNode()
            var generator = SeededGenerator(seed: 4)
            var last = Float.nan
            for minute in 0..<40 {
                let rows = (0..<9).map { [$0 == 8 ? value : 100 + 10 * Self.normal(&generator)] }
                last = comparison.observe(rows)[8][0]
                #expect(last.isNaN == (minute < PeerComparison.minutesMin))
            }
            #expect((last >= StrangeMinutes.threshold) == isStrange, "\(value): \(last)")
        }
    }

    @Test("a model goes on where it was kept; what is damaged is refused")
    func bytes() throws {
        var comparison = warm(nodes: 6, metrics: 2, minutes: 50)
        let model = PeerModel(
            metrics: ["load", "memory"],
            sets: [.init(job: "cache", region: "eu", nodes: (0..<6).map { "n\($0)" }, comparison: comparison)])
        let kept = model.bytes
        let read = try PeerModel(bytes: kept)
        #expect(read.metrics == model.metrics && read.sets.map(\.nodes) == model.sets.map(\.nodes))
        var back = try #require(read.sets.first?.comparison)
        let rows: [[Float]] = (0..<6).map { [100 + Float($0), $0 == 3 ? 300 : 90] }
        #expect(comparison.observe(rows) == back.observe(rows))
        for length in 0..<kept.count {
            #expect(throws: DetectionError.self) { try PeerModel(bytes: Array(kept[..<length])) }
        }
        for position in stride(from: 0, to: kept.count, by: 7) {
            var torn = kept
            torn[position] ^= 0x10
            #expect(throws: DetectionError.self) { try PeerModel(bytes: torn) }
        }
    }

    @Test("many that deviate a little are as strange as one that deviates much; few are not")
    func strength() {
        #expect(PeerComparison.strength(of: [Float]()) == nil && PeerComparison.strength(of: [.nan]) == nil)
        #expect(PeerComparison.strength(of: [1, -9, .nan]) == 9)
        #expect(PeerComparison.strength(of: [3, 3, 3]) == 3)
        #expect((PeerComparison.strength(of: [3, -3, 3, 3]) ?? 0) > StrangeMinutes.threshold)
        #expect(PeerComparison.strength(of: Array(repeating: 1, count: 40)).map { $0 < StrangeMinutes.calm } == true)
    }

    /// A day of invented fleets: a common daily course, machines that differ, noise that lasts some minutes and that has
    /// heavy tails or not; then a fault of half an hour on one node.
    private func day(_ seed: UInt64, nodes: Int, isHeavy: Bool, fault: (_ metric: Int) -> Float) -> (
        blamed: Int, found: Bool
    ) {
        let metrics = 12
        var generator = SeededGenerator(seed: seed)
        var comparison = PeerComparison(metrics: metrics)
        for _ in 0..<nodes { comparison.addNode() }
        let sizes = (0..<nodes).map { _ in (0..<metrics).map { _ in 100 + 15 * Self.normal(&generator) } }
        var noise = sizes.map { $0.map { _ in Float(0) } }
        var watches = [StrangeMinutes](repeating: StrangeMinutes(), count: nodes)
        var (blamed, found) = (0, false)
        for minute in 0..<1440 {
            let isFault = minute >= 1400 && minute < 1430
            // A triangle between half and all.
            let course = 0.5 + Float(abs(720 - minute)) / 1440
            for node in 0..<nodes {
                for metric in 0..<metrics {
                    // Student's t with three degrees of freedom, or normal.
                    var fresh = Self.normal(&generator)
                    if isHeavy {
                        let square = (0..<3).reduce(Float(0)) { sum, _ in
                            let part = Self.normal(&generator)
                            return sum + part * part
                        }
                        fresh /= max(1e-3, (square / 3).squareRoot())
                    }
                    noise[node][metric] = 0.7 * (noise[node][metric] + fresh)
                }
            }
            let rows = (0..<nodes).map { node in
                (0..<metrics).map { metric in
                    course * (sizes[node][metric] + 10 * noise[node][metric])
                        * (node == 0 && isFault ? 1 + fault(metric) : 1)
                }
            }
            for (node, deviations) in comparison.observe(rows).enumerated() {
                guard watches[node].observe(PeerComparison.strength(of: deviations)) == .opened else { continue }
                if node == 0, isFault { found = true } else { blamed += 1 }
            }
        }
        return (blamed, found)
    }

    @Test("of invented fleets, faults are found and few nodes are blamed for nothing")
    func quality() {
        for (isHeavy, falseMax) in [(false, 0.03), (true, 0.15)] {
            var (nodeDays, blamed, found) = (0, 0, [0, 0])
            for seed in UInt64(1)...8 {
                // One metric to three times as much, or a third of them to twice as much.
                for (kind, (metrics, rise)) in [(1, Float(2)), (4, 1)].enumerated() {
                    let nodes = [6, 12][Int(seed) % 2]
                    let day = day(seed * 2 + UInt64(kind), nodes: nodes, isHeavy: isHeavy) { $0 < metrics ? rise : 0 }
                    nodeDays += nodes
                    blamed += day.blamed
                    if day.found { found[kind] += 1 }
                }
            }
            print("heavy \(isHeavy): \(blamed) of \(nodeDays) node-days, found \(found) of 8")
            #expect(Double(blamed) <= falseMax * Double(nodeDays))
            #expect(found.allSatisfy { $0 >= (isHeavy ? 4 : 6) })
        }
    }
}
