import AgentCore
import Collectors
import Control
import Intake
import LocalRules
import RuntimeSupport
import Telemetry
import Testing
import WireFormat

@Suite("The engine and the node's own rules") struct EngineRulesTests {
    private func rules(_ texts: [String: String]) throws -> [String: LocalRule] {
        var rules: [String: LocalRule] = [:]
        for (name, text) in texts { rules[name] = try LocalRule(name: name, text) }
        return rules
    }

    private func bench(_ texts: [String: String]) throws -> ControlBench {
        let bench = try ControlBench()
        bench.nodeSettings.rules = try rules(texts)
        bench.reload()
        return bench
    }

    @Test("without a connection a rule opens and closes a finding; both are rows at once and arrive once, in order")
    func offline() throws {
        let bench = try bench(["ten": "x >= 10 for 2s", "few": "x < 20"])
        bench.reachableHost = "elsewhere"
        bench.renewsEpoch = true
        try bench.restart()
        bench.run(seconds: 20)
        #expect(bench.findingRows.isEmpty)
        #expect(bench.kept.values.map { $0.rule?.name ?? "" }.sorted() == ["few", "ten"])
        let few = try #require(bench.kept.values.first { $0.rule?.name == "few" })
        #expect(few.until?.milliseconds(since: few.since) == 10_000 && few.rule?.value == 0)
        let before = bench.kept
        // kill -9 twice; x begins anew each time, so `ten` goes on, closes at once, and both open again.
        for _ in 0..<2 {
            try bench.restart()
            bench.run(seconds: 20)
        }
        #expect(bench.kept.count == 6 && before.allSatisfy { bench.kept[$0.key]?.since == $0.value.since })
        bench.reachableHost = "127.0.0.1"
        bench.run(seconds: 60)
        let keys = bench.findingRows.map(\.key)
        #expect(Set(keys).count == keys.count && keys.allSatisfy { $0.lane == .alert })
        for epoch in Set(keys.map(\.epoch)) {
            let sequences = keys.filter { $0.epoch == epoch }.map(\.sequence)
            #expect(sequences == sequences.sorted())
        }
        let toldAt = bench.findingRows.map(\.lastTimestamp)
        #expect(toldAt == toldAt.sorted() && bench.findingRows.reduce(0) { $0 + $1.recordCount } == 11)
        #expect(bench.findingRows.contains { $0.firstTimestamp == few.since })
    }

    @Test(
        "rules that are taken away close what they opened; those that stay go on, and see series that came before them")
    func reload() throws {
        let bench = try bench(["a": "x >= 0"])
        bench.run(seconds: 5)
        let first = try #require(bench.kept.values.first)
        bench.nodeSettings.rules = try rules(["a": "x >= 0", "b": "x >= 1 severity critical"])
        bench.reload()
        bench.run(seconds: 5)
        #expect(bench.kept.count == 2 && bench.kept[first.id]?.until == nil)
        #expect(bench.metrics.value("stagebox_rule_state", "rule", "b") == 2)
        bench.nodeSettings.rules = [:]
        bench.reload()
        #expect(bench.kept.values.allSatisfy { $0.until != nil })
        #expect(bench.metrics.value("stagebox_rule_state", "rule", "b") == nil)
        bench.run(seconds: 5)
        #expect(bench.kept.count == 2)
    }

    @Test("findings of rules and groups that are gone after a restart are closed with the last that is known of them")
    func orphans() throws {
        let bench = try bench(["a": "x >= 0"])
        bench.run(seconds: 5)
        let peak = try #require(bench.kept.values.first).peakAt
        bench.nodeSettings.rules = [:]
        try bench.restart()
        #expect(bench.kept.values.map(\.until) == [peak])
    }

    @Test("a manifest may set rules and take them away, but for what the guard file denies; never actions")
    func manifests() throws {
        let bench = try bench(["local": "x >= 100000"])
        bench.run(seconds: 5)
        try bench.push("rules.pushed: x >= 3 for 1s", version: 1)
        bench.run(seconds: 200)
        #expect(bench.applied.last?.rules.keys.sorted() == ["local", "pushed"])
        #expect(bench.kept.values.map { $0.rule?.name } == ["pushed"])
        try bench.push("rules.pushed: x >", version: 3)
        try bench.push("actions.reboot: exec /sbin/reboot", version: 5)
        bench.run(seconds: 200)
        #expect(bench.reports.contains { $0.error.contains("position 4: expected a number") })
        #expect(bench.reports.contains { $0.error.contains("is not a key") })
        bench.guardLimits.deniedKeys = ["rules.*"]
        bench.reload()
        #expect(bench.applied.last?.rules.keys.sorted() == ["local"])
        try bench.push("rules.other: x >= 3", version: 7)
        bench.run(seconds: 200)
        #expect(bench.reports.contains { $0.error.contains("denied by this node's guard file") })
        #expect(bench.applied.last?.rules.keys.sorted() == ["local"])
    }

    @Test("samples that applications push are judged, too")
    func pushed() throws {
        let bench = try bench(["queue": #"queue_depth{app="web"} > 5"#])
        let key = SeriesKey(name: "queue_depth", labels: [Label("app", "web")])
        for value in [3.0, 9, 9, 2] {
            bench.time.advance(milliseconds: 1000)
            _ = bench.submit([
                .init(
                    descriptor: SeriesDescriptor(key: key, type: .gauge),
                    sample: Sample(timestamp: bench.time.now, value: value))
            ])
        }
        let finding = try #require(bench.kept.values.first)
        #expect(bench.kept.count == 1 && finding.contributors.map(\.key) == [key])
        #expect(finding.until?.milliseconds(since: finding.since) == 2000)
    }

    @Test("handles that are numbered anew are bound anew, and layouts come and go")
    func renumbered() throws {
        var rules = NodeRules([try LocalRule(name: "a", "b > 5")], seed: 1)
        let now = Timestamp(seconds: 1_790_000_000)
        func scrape(_ second: Int64, generation: UInt64, _ names: [String], isNew: Bool, _ values: [Double]) -> Scrape {
            Scrape(
                timestamp: Timestamp(seconds: 1_790_000_000 + second), intervalMilliseconds: 1000,
                layout: generation * 10 + UInt64(names.count),
                newDescriptors: isNew ? names.map { SeriesDescriptor(key: SeriesKey(name: $0), type: .gauge) } : [],
                handles: Array(0..<UInt32(names.count)), values: values, generation: generation)
        }
        let first = rules.observe(scrape(1, generation: 0, ["a", "b"], isNew: true, [9, 1]), .collectors, now: now)
        let second = rules.observe(scrape(2, generation: 0, ["a"], isNew: false, [9]), .collectors, now: now)
        let third = rules.observe(scrape(3, generation: 1, ["b", "a"], isNew: true, [6, 1]), .collectors, now: now)
        let fourth = rules.observe(scrape(4, generation: 1, ["b", "a"], isNew: false, [1, 9]), .collectors, now: now)
        #expect(first.isEmpty && second.isEmpty)
        #expect(third.count == 1 && fourth.first?.until != nil && third.first?.id == fourth.first?.id)
        let short = rules.observe(
            Scrape(timestamp: Timestamp(seconds: 1_790_000_009), intervalMilliseconds: 1000, handles: [0], values: []),
            .collectors, now: now)
        #expect(short.isEmpty)
    }

    @Test("what other sources say a little late breaks nothing that is pending, and what is old says nothing")
    func lateSources() throws {
        var rules = NodeRules([try LocalRule(name: "a", "b > 5 for 5s"), try LocalRule(name: "p", "p > 5")], seed: 1)
        let begin = Timestamp(milliseconds: 1_790_000_000_700)
        var found: [Finding] = []
        for second in 0..<8 as Range<Int64> {
            let now = begin.advanced(byMilliseconds: second * 1000)
            func scrape(_ name: String, _ at: Timestamp) -> Scrape {
                Scrape(
                    timestamp: at, intervalMilliseconds: 1000, layout: 1,
                    newDescriptors: second == 0 ? [SeriesDescriptor(key: SeriesKey(name: name), type: .gauge)] : [],
                    handles: [0], values: [9])
            }
            found += rules.observe(scrape("b", now), .collectors, now: now)
            let floor = Timestamp(milliseconds: now.milliseconds / 1000 * 1000)
            found += rules.observe(scrape("c", floor), .streams, now: floor)
            let old = Sample(timestamp: now.advanced(byMilliseconds: -3_000_000), value: 9)
            found += rules.observe(SeriesKey(name: "p"), old, now: now)
        }
        #expect(found.map { $0.rule?.name } == ["a"] && found[0].since == begin)
        // A step back of the clock is one: what is pending begins anew.
        var stepped = NodeRules([try LocalRule(name: "a", "p > 5 for 5s")], seed: 1)
        var count = 0
        for second in [0, 1, 2, 3, -100, -99, -98, -97, -96] as [Int64] {
            let now = begin.advanced(byMilliseconds: second * 1000)
            count += stepped.observe(SeriesKey(name: "p"), Sample(timestamp: now, value: 9), now: now).count
        }
        #expect(count == 0)
    }
}
