import PromQL
import PromQLScripts
import Rules
import Telemetry
import Testing

@Suite("Evaluating groups of rules") struct GroupEvaluatorTests {
    /// The engine over series in memory, which rules write to.
    private final class Host: RuleHost {
        struct Full: Error {}
        let source = MemorySource()
        var written: [(key: SeriesKey, time: Int64, value: Double)] = []
        var isFull = false
        var nanoseconds: UInt64 { 0 }

        func query(_ rule: Rule, at time: Timestamp) throws -> QueryResult {
            try QueryEngine(source: source).instant(rule.expression, text: rule.text, at: time)
        }
        func write(_ samples: [(key: SeriesKey, value: Double)], at time: Timestamp) throws {
            if isFull { throw Full() }
            for (key, value) in samples {
                source.add(key, [(time.milliseconds, value)])
                written.append((key, time.milliseconds, value))
            }
        }
        func values(_ name: String) -> [String: Double] {
            Dictionary(
                written.filter { $0.key.name == name }.map { ($0.key["job"] ?? "", $0.value) }
            ) { $1 }
        }
    }

    private static func group(_ rules: String, interval: String = "10s", limit: Int = 0) throws -> RuleGroup {
        let text = "groups:\n- name: g\n  interval: \(interval)\n  limit: \(limit)\n  rules:\n\(rules)"
        return try #require(try RuleFileReader.read(Array(text.utf8), file: "f").get().first)
    }

    private static func run(
        _ evaluator: inout GroupEvaluator, _ host: Host, through end: Int64, step: Int64 = 1000
    ) -> [Int64] {
        var slots: [Int64] = []
        for now in stride(from: 0, through: end, by: Int(step)) {
            let isRun = evaluator.run(now: Timestamp(milliseconds: Int64(now)), host)
            if isRun, let last = evaluator.lastEvaluation { slots.append(last.milliseconds) }
        }
        return slots
    }

    @Test("a rule sees what those before it have stored at the same time, and labels are set")
    func chain() throws {
        let host = Host()
        for job in ["a", "b"] {
            host.source.add(
                SeriesKey(name: "x", labels: [Label("job", job), Label("zone", "z")]),
                (0...20).map { ($0 * 5000, Double($0)) })
        }
        var evaluator = GroupEvaluator(
            try Self.group(
                "  - record: one\n    expr: x * 2\n    labels: {zone: '', tier: gold}\n  - record: two\n    expr: one + 1\n"
            ),
            now: Timestamp(milliseconds: 0))
        let slots = Self.run(&evaluator, host, through: 60_000)
        #expect(slots.count >= 5 && zip(slots, slots.dropFirst()).allSatisfy { $1 - $0 == 10_000 })
        #expect(host.values("two").values.sorted() == host.values("one").values.map { $0 + 1 }.sorted())
        let first = try #require(host.written.first)
        #expect(first.key["tier"] == "gold" && first.key["zone"] == nil && first.key.name == "one")
    }

    @Test("a series that disappears is ended at once; a failed evaluation ends nothing")
    func staleness() throws {
        let host = Host()
        let key = SeriesKey(name: "x", labels: [Label("job", "a")])
        host.source.add(key, [(0, 1), (30_000, StalenessMarker.value)])
        var evaluator = GroupEvaluator(
            try Self.group("  - record: y\n    expr: x\n"), now: Timestamp(milliseconds: 0))
        _ = Self.run(&evaluator, host, through: 25_000)
        #expect(evaluator.states[0].series.count == 1)
        host.isFull = true
        _ = evaluator.run(now: Timestamp(milliseconds: 35_000), host)
        #expect(evaluator.states[0].error != nil && evaluator.states[0].series.count == 1)
        host.isFull = false
        _ = evaluator.run(now: Timestamp(milliseconds: 45_000), host)
        let last = try #require(host.written.last)
        #expect(last.key.name == "y" && StalenessMarker.isStale(last.value))
        #expect(evaluator.states[0].series.isEmpty && evaluator.states[0].error == nil)
    }

    @Test("slots that were passed over are counted and not made up for; clocks set back do no harm")
    func missed() throws {
        let host = Host()
        var evaluator = GroupEvaluator(
            try Self.group("  - record: y\n    expr: 1\n"), now: Timestamp(milliseconds: 1_000_000))
        let first = evaluator.schedule.next
        let runs = [first, first + 9999, first + 45_000].map { now in
            evaluator.run(now: Timestamp(milliseconds: now), host)
        }
        #expect(runs == [true, false, true])
        #expect(evaluator.schedule.missedCount == 3 && evaluator.lastEvaluation?.milliseconds == first + 40_000)
        _ = evaluator.run(now: Timestamp(milliseconds: 500_000), host)
        #expect(evaluator.schedule.next <= 510_000)
    }

    @Test("results over the limit, twice the same labels, and ranges are errors that store nothing")
    func errors() throws {
        for (rules, limit, problem) in [
            ("  - record: y\n    expr: x\n", 1, "exceeded limit of 1 with 2 series"),
            ("  - record: y\n    expr: x\n    labels: {job: same}\n", 0, "same labelset"),
            ("  - record: y\n    expr: x[1m]\n", 0, "not a vector or scalar"),
            ("  - record: y\n    expr: '\"text\"'\n", 0, "not a vector or scalar"),
        ] {
            let host = Host()
            for job in ["a", "b"] {
                host.source.add(SeriesKey(name: "x", labels: [Label("job", job)]), [(0, 1)])
            }
            var evaluator = GroupEvaluator(
                try Self.group(rules, limit: limit), now: Timestamp(milliseconds: 0))
            _ = evaluator.run(now: Timestamp(milliseconds: evaluator.schedule.next), host)
            #expect(evaluator.states[0].error?.contains(problem) == true, "\(rules)")
            #expect(host.written.isEmpty)
        }
    }

    @Test("a reloaded group goes on with its series; what a removed rule left is known")
    func reload() throws {
        let host = Host()
        host.source.add(SeriesKey(name: "x", labels: [Label("job", "a")]), [(0, 1)])
        var evaluator = GroupEvaluator(
            try Self.group("  - record: y\n    expr: x\n  - record: z\n    expr: x\n"),
            now: Timestamp(milliseconds: 0))
        _ = evaluator.run(now: Timestamp(milliseconds: evaluator.schedule.next), host)
        let next = GroupEvaluator(
            try Self.group("  - record: y\n    expr: x * 2\n"), now: Timestamp(milliseconds: 20_000),
            continuing: evaluator)
        #expect(next.states[0].series.map(\.name) == ["y"])
        #expect(evaluator.abandonedSeries(by: next).map(\.name) == ["z"])
        #expect(evaluator.abandonedSeries(by: nil).count == 2)
        #expect(next.schedule.next == evaluator.schedule.next)
    }
}
