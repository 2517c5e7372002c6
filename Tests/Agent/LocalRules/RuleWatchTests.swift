import LocalRules
import Telemetry
import Testing

@Suite("A local rule over its samples") struct RuleWatchTests {
    /// One rule, its samples given second by second.
    private struct Bench {
        var watch: RuleWatch
        var second: Int64 = 1_790_000_000
        private(set) var changes: [RuleWatch.Change] = []

        init(_ text: String) throws { watch = RuleWatch(try LocalRule(name: "r", text)) }

        mutating func add(_ name: String, _ labels: [Label] = [], _ value: Double) {
            let key = SeriesKey(name: name, labels: labels)
            for side in watch.sides(of: key) {
                guard let place = watch.place(of: key, side, at: second * 1000) else { continue }
                watch.add(value, at: second * 1000, interval: 1000, side, place: place)
            }
        }
        mutating func look() {
            if let change = watch.evaluate(at: second * 1000) { changes.append(change) }
        }
        /// One second each.
        mutating func run(_ values: [Double?], _ name: String = "a") {
            for value in values {
                second += 1
                if let value { add(name, [], value) }
                look()
            }
        }
        var fired: [RuleWatch.Report] {
            changes.compactMap { if case .fired(let report) = $0 { report } else { nil } }
        }
        var resolved: [RuleWatch.Report] {
            changes.compactMap { if case .resolved(let report) = $0 { report } else { nil } }
        }
    }

    @Test("it fires once when the comparison has held long enough, and is resolved when it holds no more")
    func hold() throws {
        var bench = try Bench("a > 5 for 3s")
        bench.run([1, 6, 6, 6])
        #expect(bench.watch.state == .pending && bench.changes.isEmpty)
        let began = bench.second - 2
        bench.run([9, 7, 6])
        #expect(bench.watch.state == .firing && bench.fired.count == 1)
        #expect(bench.fired[0].since == began * 1000 && bench.fired[0].value == 9)
        bench.run([5])
        #expect(bench.watch.state == .inactive && bench.resolved.count == 1)
        let report = bench.resolved[0]
        #expect(report.until == bench.second * 1000 && report.value == 9 && report.count == 3)
        #expect(report.involved == [SeriesKey(name: "a")] && report.since == began * 1000)
        bench.run([6, 6, 1, 6, 6, 6])
        #expect(bench.changes.count == 2)
    }

    @Test("with an end of its own it does not flap at the threshold")
    func hysteresis() throws {
        var bench = try Bench("a < 10 until > 20")
        bench.run([9, 11, 9, 15, 20, 8, 21, 15, 12])
        #expect(bench.fired.count == 1 && bench.resolved.count == 1)
        #expect(bench.resolved[0].value == 8)
    }

    @Test("a ratio joins series of the same labels; the first that fires opens, the last that ends closes")
    func ratio() throws {
        var bench = try Bench("free / size < 0.1")
        for share in [0.5, 0.05, 0.05, 0.5] {
            bench.second += 1
            for (mount, value) in [("/", share * 100), ("/var", bench.second % 2 == 0 ? 5 : 1)] {
                bench.add("free", [Label("mount", mount)], value)
                bench.add("size", [Label("mount", mount)], 100)
            }
            bench.add("free", [Label("mount", "/nowhere")], 0)
            bench.look()
        }
        #expect(bench.fired.count == 1 && bench.resolved.isEmpty)
        #expect(Set(bench.watch.open?.involved.compactMap { $0["mount"] } ?? []) == ["/", "/var"])
        #expect(bench.watch.open?.value == 0.01)
        bench.second += 1
        for mount in ["/", "/var"] { bench.add("free", [Label("mount", mount)], 50) }
        bench.look()
        #expect(bench.resolved.count == 1)
    }

    @Test("a rate counts over resets, and is unknown until its window is half full")
    func rate() throws {
        var bench = try Bench("rate(a[10s]) > 4")
        bench.run((0..<5).map { Double($0 * 5) })
        #expect(bench.fired.isEmpty)
        bench.run([25])
        #expect(bench.fired.count == 1 && bench.fired[0].value == 5)
        // The counter begins anew: 5 a second go on, nothing falls to less than nothing.
        bench.run((1..<20).map { Double($0 * 5) })
        #expect(bench.resolved.isEmpty && bench.fired.count == 1)
        bench.run(Array(repeating: 95, count: 20))
        #expect(bench.resolved.count == 1)
        // One that begins anew at nothing never looks like a jump.
        var quiet = try Bench("rate(a[10s]) > 4")
        quiet.run((0..<20).map { 1_000_000 + Double($0) } + (0..<20).map { Double($0) })
        #expect(quiet.changes.isEmpty)
    }

    @Test("a rate begins anew after a gap longer than its window and after a step back of the clock")
    func rateGaps() throws {
        var bench = try Bench("rate(a[10s]) > 4")
        bench.run((0..<20).map { Double($0) })
        bench.second += 100
        bench.run([100_000, 100_001, 100_002, 100_003, 100_004, 100_005, 100_006])
        #expect(bench.changes.isEmpty)
        bench.second -= 60
        bench.run([200_000, 200_001, 200_002, 200_003, 200_004, 200_005, 200_006, 200_007])
        #expect(bench.changes.isEmpty)
    }

    @Test("sums are one series; an absent one is nothing, not zero")
    func sums() throws {
        var bench = try Bench("sum(bad) / sum(all) > 0.5")
        bench.second += 1
        for index in 0..<3 { bench.add("all", [Label("n", "\(index)")], 10) }
        bench.look()
        #expect(bench.changes.isEmpty)
        for index in 0..<2 { bench.add("bad", [Label("code", "\(index)")], 8) }
        bench.look()
        #expect(bench.fired.count == 1 && abs(bench.fired[0].value - 16.0 / 30) < 1e-12)
        for index in 0..<3 { bench.add("all", [Label("n", "\(index)")], 0) }
        bench.look()
        #expect(bench.resolved.isEmpty)
    }

    @Test("absence fires when no series was there for 15 s and as long as the rule says")
    func absence() throws {
        var bench = try Bench("absent(up) for 5s")
        bench.run([1, 1, .nan], "up")
        let last = bench.second
        bench.run(Array(repeating: nil, count: 20))
        #expect(bench.changes.isEmpty)
        bench.run([nil, nil])
        #expect(bench.fired.count == 1 && bench.fired[0].since == (last + 16) * 1000)
        bench.run([0], "up")
        #expect(bench.resolved.count == 1)
    }

    @Test("NaN and infinities say nothing: what is pending begins anew, what fires goes on")
    func oddValues() throws {
        var bench = try Bench("a > 5 for 3s")
        for odd in [Double.nan, .infinity, -.infinity] { bench.run([6, 6, 6, odd]) }
        #expect(bench.changes.isEmpty)
        bench.run([6, 6, 6, 6, .nan, .infinity, 6])
        #expect(bench.fired.count == 1 && bench.resolved.isEmpty)
        var ratio = try Bench("a / b > 1")
        ratio.second += 1
        ratio.add("a", [], 1)
        ratio.add("b", [], 0)
        ratio.look()
        #expect(ratio.changes.isEmpty)
    }

    @Test("a gap breaks what is pending; what fires ends after five minutes of silence, with the last value's time")
    func gaps() throws {
        var bench = try Bench("a > 5 for 30s")
        bench.run(Array(repeating: 6, count: 20))
        bench.second += 60
        bench.run(Array(repeating: 6, count: 20))
        #expect(bench.changes.isEmpty)
        bench.run(Array(repeating: 6, count: 20))
        #expect(bench.fired.count == 1)
        let last = bench.second
        bench.run(Array(repeating: nil, count: 299))
        #expect(bench.resolved.isEmpty)
        bench.run(Array(repeating: nil, count: 30))
        #expect(bench.resolved.count == 1)
        let until = try #require(bench.resolved.first?.until)
        #expect(until >= last * 1000 && until <= (last + 15) * 1000)
    }

    @Test("a step of the clock breaks what is pending and contradicts no report")
    func clockSteps() throws {
        var bench = try Bench("a > 5 for 10s")
        bench.run(Array(repeating: 6, count: 8))
        bench.second += 3600
        bench.run(Array(repeating: 6, count: 8))
        #expect(bench.changes.isEmpty)
        bench.second -= 7200
        bench.run(Array(repeating: 6, count: 8))
        #expect(bench.changes.isEmpty)
        bench.run(Array(repeating: 6, count: 8))
        #expect(bench.fired.count == 1)
        bench.second -= 7200
        bench.run([6, 6, 1])
        let report = try #require(bench.resolved.first)
        #expect(bench.fired.count == 1 && report.until == report.since)
    }

    @Test("series are bounded: the rest is counted, and what went away gives way")
    func bounds() throws {
        var bench = try Bench("a > 5")
        for index in 0..<100 { bench.add("a", [Label("n", "\(index)")], 1) }
        bench.look()
        #expect(bench.watch.seriesCount == RuleWatch.seriesMax && bench.watch.unwatchedCount == 36)
        bench.second += 400
        let epoch = bench.watch.placesEpoch
        bench.add("a", [Label("n", "new")], 9)
        bench.look()
        #expect(bench.fired.count == 1 && bench.watch.placesEpoch > epoch && bench.watch.seriesCount == 1)
    }

    @Test("what an earlier start left firing goes on, ends as it would have, and ends when nothing shows it any more")
    func adoption() throws {
        func adopted(_ text: String) throws -> Bench {
            var bench = try Bench(text)
            bench.watch.adopt(
                RuleWatch.Report(
                    since: 1_789_999_000_000, value: 9, peakAt: 1_789_999_001_000, count: 7,
                    involved: [SeriesKey(name: "a")]))
            return bench
        }
        var goesOn = try adopted("a > 5 for 1h until < 2")
        goesOn.run([3, 12, 3])
        #expect(goesOn.changes.isEmpty && goesOn.watch.open?.value == 12 && goesOn.watch.open?.count == 10)
        goesOn.run([1])
        #expect(goesOn.resolved.count == 1 && goesOn.resolved[0].since == 1_789_999_000_000)
        var silent = try adopted("a > 5")
        silent.run(Array(repeating: nil, count: 301))
        #expect(silent.changes.isEmpty)
        silent.run([nil, nil])
        #expect(silent.resolved.count == 1 && silent.resolved[0].until == 1_790_000_001_000)
        var back = try adopted("absent(a)")
        back.run([1])
        #expect(back.resolved.count == 1)
    }
}
