import AgentCore
import Buffer
import Interchange
import MQTT
import RuntimeSupport
import Sources
import Store
import Telemetry
import TestSupport
import Testing

@Suite("What a relay hands on, under faults from one seed", .serialized, .ownThread)
struct RelayTests {
    private static let relayName = "relay-eu"
    private static let stale = Double(bitPattern: 0x7ff0_0000_0000_0002)

    /// A regional aggregator's forwarder: a request comes again until it is taken, and sometimes once more.
    private struct Forwarder {
        var generator: SeededGenerator
        /// What is to be found in the end, bit for bit.
        var produced: [SeriesKey: [Int64: UInt64]] = [:]
        var findings: [ID128: Finding] = [:]
        var events: [String: ListeningEvent] = [:]
        var waiting: [RelayedRecords] = []
        var taken: [RelayedRecords] = []

        /// Series of the agents that are enrolled at the centre, too, under the very same labels.
        mutating func produce(now: Timestamp) throws {
            var encoder = RemoteWriteEncoder(.one)
            for number in 0..<Int.random(in: 1...8, using: &generator) {
                let key = SeriesKey(
                    name: AgentOracle.name(number), labels: [Label("instance", "edge-\(number % 2)")])
                // Late by up to a day, each series with times of its own.
                let start = now.milliseconds - Int64.random(in: 0...86_400_000, using: &generator)
                var (times, values): ([Int64], [Double]) = ([], [])
                for step in 0..<Int64.random(in: 1...20, using: &generator) {
                    let time = start - step * 1000
                    // A source measures once.
                    guard produced[key]?[time] == nil else { continue }
                    let value = generator.chance(0.05) ? RelayTests.stale : Double.random(in: 0...1, using: &generator)
                    produced[key, default: [:]][time] = value.bitPattern
                    times.append(time)
                    values.append(value)
                }
                encoder.add(key, timestamps: times, values: values)
            }
            let write = try encoder.finish().withUnsafeBytes {
                try RelayedWrite($0, relay: RelayTests.relayName, now: now)
            }
            #expect(write.refusedCount == 0)
            if !write.series.isEmpty { waiting.append(RelayedRecords(series: write.series)) }
            waiting.append(RelayedRecords(events: produceEvents(now: now)))
            if generator.chance(0.5) { waiting.append(RelayedRecords(findings: [produceFinding(now: now)])) }
        }

        /// Late by up to a day, sometimes two revisions of one.
        private mutating func produceEvents(now: Timestamp) -> [ListeningEvent] {
            (0..<Int.random(in: 1...5, using: &generator)).map { _ in
                let at = now.advanced(byMilliseconds: -Int64.random(in: 0...86_400_000, using: &generator))
                var event = ListeningEvent(
                    id: "regional-\(events.count)", kind: .play, at: at, receivedAt: at,
                    user: ID128(random: &generator), pseudonymVersion: 1)
                if generator.chance(0.2), let earlier = events.values.min(by: { $0.id < $1.id }) {
                    event.id = earlier.id
                    event.revision = earlier.revision + 1
                }
                events[event.id] = event
                return event
            }
        }

        /// A new one, or one that ends.
        private mutating func produceFinding(now: Timestamp) -> Finding {
            let open = findings.values.filter { $0.until == nil }.min { $0.id < $1.id }
            if var finding = open, generator.chance(0.6) {
                finding.until = now
                findings[finding.id] = finding
                return finding
            }
            let finding = Finding(
                id: ID128(random: &generator), group: "cpu", since: now, score: 1, peakAt: now, anomalousCount: 1,
                source: Finding.Source(
                    node: AgentID(unchecked: "edge-\(findings.count % 3)"), region: "north",
                    isByPeers: findings.count % 4 == 0))
            findings[finding.id] = finding
            return finding
        }

        mutating func send(to relay: SimulatedAgent) {
            while let request = waiting.first, relay.relay(request) { taken.append(waiting.removeFirst()) }
            // An answer that a crash kept from becoming durable.
            if generator.chance(0.3), let again = taken.randomElement(using: &generator) { _ = relay.relay(again) }
        }
    }

    @Test("everything is at the centre once, whatever fails and however often it is sent", arguments: 1...6)
    func faults(seed: UInt64) throws {
        var plan = SimulationPlan.calm(seed: seed, agents: 2, milliseconds: 180_000)
        var generator = SeededGenerator(seed: seed &+ 77)
        plan.broker.dropShare = 0.1
        plan.broker.duplicateShare = 0.1
        plan.broker.reorders = true
        plan.broker.delayMilliseconds = 1...200
        let relayNumber = 2
        plan.add(.setSynchronized(agent: relayNumber, false), at: 10)
        plan.add(.stepClock(agent: relayNumber, milliseconds: -3_600_000), at: 20)
        for time in stride(from: Int64(15_000), to: 170_000, by: 20_000) {
            let at = time + Int64.random(in: 0..<15_000, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: plan.add(.die(agent: relayNumber, .killed, downMilliseconds: 3000), at: at)
            case 1: plan.add(.killAggregator, at: at)
            case 2: plan.add(.crashBroker(downMilliseconds: 5000, losesState: true), at: at)
            default:
                let point = SimulatedAggregator.CrashPoint.allCases.randomElement(using: &generator)
                if let point {
                    plan.add(.crashAggregator(point, downMilliseconds: 4000, losesKeyRecords: false), at: at)
                }
            }
        }
        let simulation = try Simulation(plan)
        let relay = try SimulatedAgent(
            number: relayNumber, name: Self.relayName, isRelay: true, fleet: simulation.fleet,
            broker: simulation.broker, root: simulation.root, seed: seed, trace: simulation.trace)
        simulation.add(relay)
        var forwarder = Forwarder(generator: generator)
        while simulation.now < plan.faultMilliseconds {
            try forwarder.produce(now: simulation.aggregator.time.now)
            forwarder.send(to: relay)
            try simulation.run(until: simulation.now + 1000)
        }
        while !forwarder.waiting.isEmpty, simulation.now < 2 * plan.faultMilliseconds {
            forwarder.send(to: relay)
            try simulation.run(until: simulation.now + 1000)
        }
        #expect(forwarder.waiting.isEmpty)
        #expect(try simulation.settle() == [])

        var found: [SeriesKey: [Int64: UInt64]] = [:]
        var cursor = try simulation.aggregator.tenant().samples(
            [.equal(SeriesKey.relayLabel, Self.relayName)], in: .distantPast ... .distantFuture)
        while let run = try cursor.next() {
            let bits = zip(run.timestamps, run.values.map(\.bitPattern))
            found[run.series.descriptor.key] = Dictionary(uniqueKeysWithValues: bits)
        }
        try check(forwarder, simulation)
        let expected = Dictionary(
            uniqueKeysWithValues: forwarder.produced.map { ($0.key.relayed(by: Self.relayName), $0.value) })
        #expect(Set(found.keys) == Set(expected.keys))
        for (key, samples) in expected { #expect(found[key] == samples, "\(key)") }
    }

    private func check(_ forwarder: Forwarder, _ simulation: Simulation) throws {
        let store = try simulation.aggregator.tenant()
        var events: [String: ListeningEvent] = [:]
        var cursor = try store.events(in: .distantPast ... .distantFuture)
        while let batch = try cursor.next() {
            for event in batch where event.id.hasPrefix("regional-") {
                #expect(events.updateValue(event, forKey: event.id) == nil, "\(event.id) twice")
            }
        }
        #expect(events == forwarder.events)
        let found = try store.findings(
            FindingQuery(
                range: .distantPast ... .distantFuture, relay: AgentID(unchecked: Self.relayName), limit: 10_000))
        let told = found.flatMap { [$0.finding] + $0.fleet }
        #expect(Set(told) == Set(forwarder.findings.values) && told.count == forwarder.findings.count)
        #expect(forwarder.findings.count > 20 && forwarder.events.count > 200)
    }

    @Test("a relay whose buffer fills takes no more, loses nothing of what it took, and goes on when there is room")
    func backpressure() throws {
        var plan = SimulationPlan.calm(seed: 11, agents: 1, milliseconds: 400_000)
        plan.add(.crashBroker(downMilliseconds: 300_000, losesState: true), at: 10)
        let simulation = try Simulation(plan)
        let relay = try SimulatedAgent(
            number: 1, name: Self.relayName, isRelay: true, fleet: simulation.fleet, broker: simulation.broker,
            root: simulation.root, seed: 3, trace: simulation.trace)
        simulation.add(relay)
        try simulation.run(until: 1000)
        var generator = SeededGenerator(seed: 5)
        var (requests, refusals) = (0, 0)
        // 3,000 samples that do not compress: some 27 KB.
        func request() throws -> [RelayedSeries] {
            var encoder = RemoteWriteEncoder(.one)
            let now = simulation.aggregator.time.now.milliseconds
            for number in 0..<300 {
                encoder.add(
                    SeriesKey(name: "m", labels: [Label("n", "\(number)")]),
                    timestamps: (0..<10).map { now - 100_000_000 + Int64(requests * 10 + $0) * 1000 },
                    values: (0..<10).map { _ in Double.random(in: 0...1, using: &generator) })
            }
            return try encoder.finish().withUnsafeBytes {
                try RelayedWrite($0, relay: Self.relayName, now: simulation.aggregator.time.now).series
            }
        }
        var waiting = try request()
        while simulation.now < 400_000, requests < 400 {
            if relay.relay(waiting) {
                requests += 1
                waiting = try request()
            } else {
                refusals += 1
                if simulation.now < 300_000 {
                    let held = Double(relay.buffer?.depth(.live).bytes ?? 0)
                    let share = held / Double(relay.buffer?.bytesForRows ?? 1)
                    #expect((0.7..<0.8).contains(share), "\(held) bytes")
                }
                try simulation.run(until: simulation.now + 5000)
            }
        }
        #expect(refusals > 30 && requests > 100, "\(requests) requests, \(refusals) refusals")
        #expect(try simulation.settle() == [])
        #expect(simulation.aggregator.audit.losses.isEmpty)
        var samples = 0
        var cursor = try simulation.aggregator.tenant().samples(
            [.equal(SeriesKey.relayLabel, Self.relayName)], in: .distantPast ... .distantFuture)
        while let run = try cursor.next() { samples += run.values.count }
        #expect(samples == requests * 3000)
    }
}
