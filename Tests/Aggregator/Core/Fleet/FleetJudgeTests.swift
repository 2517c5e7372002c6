import AggregatorCore
import Detection
import RuntimeSupport
import Store
import Telemetry
import Testing

/// Whole passes over a store that is filled minute by minute.
@Suite("The fleet, minute by minute") struct FleetJudgeTests {
    private static let names = ["node_load1", "node_memory_MemFree_bytes", "node_procs_running"]

    /// Nodes that send a sample each 15 s, and a fleet that looks at them.
    private final class Fleet {
        let test: JudgedStore
        var tenant: FleetTenant
        let nodes: [String]
        var minute: Int64 = 0
        var noise = SeededGenerator(seed: 5)
        /// Load that a node always has.
        var usual: [String: Double] = [:]

        init(nodes count: Int, region: (Int) -> String = { _ in "eu" }) throws {
            nodes = (0..<count).map { "n\($0)" }
            var labels: [String: [Label]] = [:]
            for (number, node) in nodes.enumerated() {
                labels[node] = [Label("job", "cache"), Label("region", region(number))]
            }
            test = try JudgedStore(labels: labels)
            tenant = try Self.open(test)
        }

        static func open(_ test: JudgedStore, now: Timestamp? = nil) throws -> FleetTenant {
            var next: UInt64 = 0
            return try FleetTenant(test.store, now: now ?? test.time.now) {
                next += 1
                return ID128(high: 77, low: next)
            }
        }

        /// - Parameter load: of a node in this minute, beside the noise.
        func run(
            minutes: Int, silent: Set<String> = [], anomalous: Set<String> = [],
            load: (_ node: String) -> Double = { _ in 0 }
        ) throws -> FleetTenant.Outcome {
            var outcome = FleetTenant.Outcome()
            for _ in 0..<minutes {
                let seconds = (0..<Int64(4)).map { minute * 60 + $0 * 15 }
                for node in nodes where !silent.contains(node) {
                    let extra = load(node) + usual[node, default: 0]
                    let (one, two) = (
                        Double.random(in: 0.8...1.2, using: &noise), Double.random(in: 90...110, using: &noise)
                    )
                    try test.send(
                        node, JudgedStore.gauges(FleetJudgeTests.names), seconds: seconds,
                        anomalous: anomalous.contains(node) ? [(0, 0), (0, 1)] : []
                    ) { series, _ in series == 0 ? one + extra : series == 1 ? two : 0 }
                }
                minute += 1
                test.time.advance(milliseconds: 60_000)
                outcome = try tenant.pass(ending: JudgedStore.start + minute * 60_000)
            }
            return outcome
        }

        func findings() throws -> [StoredFinding] {
            try test.store.findings(FindingQuery(range: .distantPast ... .distantFuture))
        }
    }

    @Test("a node that leaves its peers is found once, with what it is by, and closed when it is back")
    func found() throws {
        let fleet = try Fleet(nodes: 6)
        defer { fleet.test.close() }
        _ = try fleet.run(minutes: 60)
        #expect(try fleet.findings().isEmpty)
        _ = try fleet.run(minutes: 12) { $0 == "n2" ? 9 : 0 }
        let open = try fleet.findings()
        #expect(open.count == 1 && open.first?.origin == .fleet && open.first?.until == nil)
        let finding = try #require(open.first)
        #expect(finding.agent.rawValue == "n2" && finding.finding.group == "cpu")
        #expect(finding.finding.contributors.map(\.key) == [SeriesKey(name: "node_load1")])
        #expect(finding.finding.since.milliseconds == JudgedStore.start + 60 * 60_000)
        #expect(finding.finding.score > 0.5)
        // Half an hour before, a value a minute, up to the minute that it was told in.
        let shape = try #require(finding.finding.shape)
        #expect(shape.start.milliseconds == JudgedStore.start + 30 * 60_000 && shape.stepMilliseconds == 60_000)
        #expect(
            shape.values.prefix(30).allSatisfy { (0.8...1.2).contains($0) } && (31...41).contains(shape.values.count))
        #expect(shape.values.dropFirst(30).allSatisfy { (9.8...10.2).contains($0) })
        _ = try fleet.run(minutes: 10)
        let closed = try fleet.findings()
        #expect(closed.count == 1 && closed.first?.finding.id == finding.finding.id)
        #expect(closed.first?.until?.milliseconds == JudgedStore.start + 72 * 60_000)
        #expect(closed.first?.finding.shape?.values.dropFirst(42).first.map { $0 < 2 } == true)
    }

    @Test("what all nodes do together, or a minute alone, or too few peers, is no finding")
    func calm() throws {
        let fleet = try Fleet(nodes: 10) { $0 < 6 ? "eu" : "us" }
        defer { fleet.test.close() }
        _ = try fleet.run(minutes: 40)
        _ = try fleet.run(minutes: 20) { _ in 9 }
        _ = try fleet.run(minutes: 2) { $0 == "n2" ? 9 : 0 }
        // Four nodes of a region are no peers.
        _ = try fleet.run(minutes: 20) { $0 == "n8" ? 9 : 0 }
        #expect(try fleet.findings().isEmpty)
    }

    @Test("a finding is open over a restart, and ends when its node is silent")
    func restart() throws {
        let fleet = try Fleet(nodes: 6)
        defer { fleet.test.close() }
        _ = try fleet.run(minutes: 40)
        _ = try fleet.run(minutes: 8) { $0 == "n2" ? 9 : 0 }
        #expect(try fleet.findings().map(\.until) == [nil])
        fleet.tenant = try Fleet.open(fleet.test)
        _ = try fleet.run(minutes: 2) { $0 == "n2" ? 9 : 0 }
        #expect(try fleet.findings().map(\.until) == [nil])
        _ = try fleet.run(minutes: 12, silent: ["n2"])
        #expect(try fleet.findings().count == 1)
        #expect(try fleet.findings().first?.until != nil)
    }

    @Test("what was learnt outlives a restart: a finding goes on and ends, and what is usual stays so")
    func memory() throws {
        let fleet = try Fleet(nodes: 6)
        defer { fleet.test.close() }
        fleet.usual = ["n4": 3]
        _ = try fleet.run(minutes: 60)
        _ = try fleet.run(minutes: 6) { $0 == "n2" ? 9 : 0 }
        try fleet.tenant.save()
        // The file's time is the machine's.
        fleet.tenant = try Fleet.open(fleet.test, now: SystemTimeSource().now)
        _ = try fleet.run(minutes: 2) { $0 == "n2" ? 9 : 0 }
        #expect(try fleet.findings().map(\.until) == [nil])
        _ = try fleet.run(minutes: 40)
        #expect(try fleet.findings().map { $0.until?.milliseconds } == [JudgedStore.start + 68 * 60_000])
    }

    @Test("rates by job and region and by metric count samples of watched metrics")
    func rates() throws {
        let fleet = try Fleet(nodes: 4) { $0 < 2 ? "eu" : "us" }
        defer { fleet.test.close() }
        let outcome = try fleet.run(minutes: 1, anomalous: ["n0"])
        let rates = Dictionary(uniqueKeysWithValues: outcome.rates.map { ($0.key, $0.value) })
        func region(_ name: String) -> SeriesKey {
            SeriesKey(name: FleetTenant.rateName, labels: [Label("job", "cache"), Label("region", name)])
        }
        func metric(_ name: String) -> SeriesKey {
            SeriesKey(name: FleetTenant.metricRateName, labels: [Label("metric", name)])
        }
        #expect(rates[region("eu")] == 2.0 / 24 && rates[region("us")] == 0)
        #expect(rates[metric("node_load1")] == 2.0 / 16 && rates[metric("node_procs_running")] == 0)
        #expect(rates.count == 5 && outcome.nodeCount == 4 && outcome.seriesCount == 12)
    }
}
