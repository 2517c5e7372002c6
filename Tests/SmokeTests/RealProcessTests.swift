import Glibc
import RuntimeSupport
import TestSupport
import Testing

/// The built programs as one process tree, killed and starved in the ways that RELIABILITY.md lists.
@Suite(
    "Real processes", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"))
struct RealProcessTests {}

extension RealProcessTests {
    @Test("R12, R13 kill -9 of agent, broker and aggregator at random under load loses and doubles nothing")
    func killAtRandom() throws {
        print("kill at random: \(SmokePrograms.seconds) s, STAGEBOX_SMOKE_SEED=\(SmokePrograms.seed)")
        var generator = SeededGenerator(seed: SmokePrograms.seed)
        let tree = try SmokeTree("kill")
        defer { tree.stopAll() }
        try tree.start()
        try tree.wait("samples arrive", seconds: 30) { try !tree.timestamps(of: "node_load1").isEmpty }
        let before = try #require(try tree.timestamps(of: "node_load1").values.first?.last)

        let loader = EventLoader(port: tree.intakePort, seed: generator.next() % 1_000_000)
        defer { loader.stop() }
        var kills = ["agent": 0, "aggregator": 0, "broker": 0]
        let end = monotonicSeconds() + SmokePrograms.seconds
        while monotonicSeconds() < end {
            // The moment is the test here, not a wait for something.
            usleep(UInt32.random(in: 50_000...2_000_000, using: &generator))
            switch Int.random(in: 0..<3, using: &generator) {
            case 0:
                kills["agent", default: 0] += 1
                tree.killAgent()
                try tree.startAgent()
            case 1:
                kills["aggregator", default: 0] += 1
                tree.killAggregator()
                try tree.startAggregator()
            default:
                kills["broker", default: 0] += 1
                tree.killBroker()
            }
        }
        let tally = loader.stop()
        let lastKill = Int64(time(nil)) * 1000
        print(
            "killed \(kills.sorted { $0.key < $1.key }); \(tally.requests) requests, \(tally.failures) failed,",
            "\(tally.promised.count) events promised, \(tally.unanswered.count) unanswered")
        #expect(tally.promised.count > 100, "the load was no load")

        try tree.expectEverything(tally, seconds: 90)
        try tree.expectEqualLedgers(seconds: 60)
        let families = ["node_load1", "node_context_switches_total", "node_cpu_seconds_total"]
        try tree.wait("samples from after the last kill", seconds: 30) {
            try families.allSatisfy { family in
                let series = try tree.timestamps(of: family)
                return !series.isEmpty && series.values.allSatisfy { $0.contains { $0 > lastKill } }
            }
        }
        for family in families {
            for (labels, times) in try tree.timestamps(of: family) {
                #expect(zip(times, times.dropFirst()).allSatisfy(<), "\(labels): repeated or unordered timestamps")
                #expect(times.contains { $0 <= before }, "\(labels): samples from before the first kill are gone")
            }
        }
    }
}

extension SmokeTree {
    /// Waits until every promised event is in the export, then checks that each event is there once, and that
    /// nothing is there that was never sent.
    func expectEverything(_ tally: EventLoader.Tally, seconds: Double) throws {
        var exported: [String] = []
        let isComplete = try Waiting.until(withinSeconds: seconds) {
            exported = try exportedEventIDs()
            return exported.count >= tally.promised.count && tally.promised.isSubset(of: exported)
        }
        let present = Set(exported)
        let missing = tally.promised.subtracting(present)
        #expect(
            isComplete, "\(missing.count) promised events are missing, such as \(missing.sorted().prefix(5))\n\(tails)")
        #expect(present.count == exported.count, "\(exported.count - present.count) events are there twice")
        #expect(present.isSubset(of: tally.promised.union(tally.unanswered)), "events that nobody sent")
    }

    private static let foldedEpoch = String(repeating: "0", count: 32)

    /// Waits for a moment between two flushes at which both ledgers say the same: all that the agent produced is
    /// committed, for each epoch and lane, and nothing was refused or dropped.
    func expectEqualLedgers(seconds: Double) throws {
        var central: [String: Answers.Lane] = [:]
        var own: [String: [String: Int]] = [:]
        let isEqual = try Waiting.until(withinSeconds: seconds) {
            own = try agentLedger()
            let ledger = try ledger()
            central = Dictionary(uniqueKeysWithValues: ledger.lanes.map { ($0.name, $0) })
            let isStill = try agentLedger() == own
            return isStill && ledger.isSettled && !own.isEmpty
                && own.allSatisfy { lane, states in
                    // Of many starts the agent keeps the oldest epochs' books as one, under no epoch's name.
                    let lanes =
                        lane.hasPrefix(Self.foldedEpoch)
                        ? central.filter {
                            own[$0.key] == nil && $0.value.lane == lane.split(separator: " ").last ?? ""
                        }
                        .map(\.value)
                        : [central[lane]].compactMap { $0 }
                    return lanes.reduce(0) { $0 + $1.produced.batches } == states["produced"]
                        && lanes.reduce(0) { $0 + $1.committed.batches } == states["produced"]
                }
        }
        #expect(isEqual, "the agent says \(own)\nthe aggregator says \(central)\n\(tails)")
        for (lane, states) in own {
            let parts = ["committed", "pending", "rejected", "dropped"].map { states[$0] ?? -1 }
            #expect(states["produced"] == parts.reduce(0, +), "\(lane) does not balance in the agent: \(states)")
            #expect(states["rejected"] == 0 && states["dropped"] == 0, "\(lane): \(states)")
        }
        // Each (epoch, lane) that the agent knows nothing of any more is settled at the aggregator.
        for lane in central.values { #expect(lane.committed == lane.produced, "\(lane.name)") }
    }
}
