import Buffer
import Ingest
import Store
import Telemetry
import WireFormat

/// Compares, when all is quiet, what the sources produced with both ledgers and with what the store gives out.
struct SimulationCheck {
    private let simulation: Simulation
    private let audit: CommitAudit

    init(_ simulation: Simulation) {
        self.simulation = simulation
        audit = simulation.aggregator.audit
    }

    func problems() throws -> [String] {
        guard let ingest = simulation.aggregator.ingest else { return ["no aggregator"] }
        var problems: [String] = []
        let states = Dictionary(grouping: ingest.ledger(), by: \.agent)
        let stored = Dictionary(grouping: try simulation.aggregator.tenant().ledger(), by: \.agent)
        let samples = try exportedSamples()
        let events = try exportedEvents(&problems)
        // Nodes that share one identity share what the aggregator says of it.
        for (id, nodes) in Dictionary(grouping: simulation.agents, by: \.id).sorted(by: { $0.key < $1.key }) {
            let lanes = Dictionary(uniqueKeysWithValues: (states[id] ?? []).map { ($0.laneKey, $0) })
            for state in stored[id] ?? [] where lanes[state.laneKey]?.counts.total != state.counts.total {
                problems.append("\(id) \(state.laneKey): the ledger in memory is not the one on disk")
            }
            for node in nodes { problems += ledger(of: node, lanes) }
            problems += commits(of: id, lanes)
            problems += sequences(of: id, nodes, lanes)
            problems += check(samples[id] ?? [:], of: id, nodes)
            problems += check(events, of: id, nodes)
        }
        return problems
    }

    // MARK: Ledgers

    private func ledger(of node: SimulatedAgent, _ lanes: [LaneKey: DedupState]) -> [String] {
        var problems: [String] = []
        for ledger in node.buffer?.ledger() ?? [] {
            let name = "\(node.id) \(ledger.laneKey)"
            if !ledger.isBalanced { problems.append("\(name): the agent's ledger does not balance: \(ledger)") }
            if ledger.pending.batches > 0 { problems.append("\(name): \(ledger.pending.batches) batches pending") }
            guard ledger.produced.batches > 0, !node.oracle.rewound.contains(ledger.laneKey) else { continue }
            guard let state = lanes[ledger.laneKey] else {
                problems.append("\(name): unknown to the aggregator; the agent: \(ledger)")
                continue
            }
            if node.oracle.isDamaged { continue }  // estimates; `sequences` looks at each batch
            let counts = state.counts
            // Of rows dropped although they had arrived, the records are an estimate when a loss has holes.
            let isEstimated = counts.contested.batches > 0
            if ledger.committed.batches + counts.contested.batches != counts.committed.batches
                || !isEstimated && ledger.committed.records != counts.committed.records
                || ledger.droppedTotal != counts.declaredTotal + counts.contested
                || ledger.rejectedTotal != counts.rejectedTotal
            {
                problems.append("\(name): the agent says \(ledger), the aggregator \(counts)")
            }
            if state.settled.contiguous != ledger.next - 1 {
                problems.append("\(name): settled to \(state.settled.contiguous), produced to \(ledger.next - 1)")
            }
        }
        return problems
    }

    /// The aggregator's ledger counts exactly what its store was given, each batch once.
    private func commits(of id: AgentID, _ lanes: [LaneKey: DedupState]) -> [String] {
        var sums: [LaneKey: LedgerCount] = [:]
        for (key, batch) in audit.committed[id] ?? [:] {
            sums[key.laneKey, default: LedgerCount()] += LedgerCount(batches: 1, records: batch.records)
        }
        return lanes.compactMap { lane, state in
            // Batches of losses are counted as committed and stored otherwise.
            guard lane.lane == .live, state.counts.committed != sums[lane] ?? LedgerCount() else { return nil }
            return "\(id) \(lane): the ledger says \(state.counts.committed), the store got \(sums[lane] ?? .init())"
        }
    }

    /// Every sequence ever given is committed or declared lost, or a power cut took it back.
    private func sequences(
        of id: AgentID, _ nodes: [SimulatedAgent], _ lanes: [LaneKey: DedupState]
    ) -> [String] {
        var problems: [String] = []
        let committed = audit.committed[id] ?? [:]
        for node in nodes {
            for (key, content) in node.oracle.sequenced where committed[key] == nil {
                if key.lane == .alert, lanes[key.laneKey]?.settled.contains(key.sequence) == true { continue }
                if node.oracle.torn.contains(key) || isDeclared(key, of: id) { continue }
                problems.append("\(id) \(key): neither committed nor lost (sequenced at \(content.sequencedAt))")
            }
        }
        let sequenced = nodes.reduce(into: Set<BatchKey>()) { $0.formUnion($1.oracle.sequenced.keys) }
        for key in committed.keys where !sequenced.contains(key) {
            problems.append("\(id) \(key): committed but never sequenced")
        }
        return problems
    }

    private func isDeclared(_ key: BatchKey, of id: AgentID) -> Bool {
        (audit.losses[id] ?? []).contains { $0.laneKey == key.laneKey && $0.sequences.contains(key.sequence) }
    }

    // MARK: Exports

    private func committedContents(of id: AgentID, _ node: SimulatedAgent) -> [(
        content: BatchContent, isQuarantined: Bool
    )] {
        let committed = audit.committed[id] ?? [:]
        return node.oracle.sequenced.compactMap { key, content in
            committed[key].map { (content, $0.isQuarantined) }
        }
    }

    func exportedSamples() throws -> [AgentID: [Int: [Int64: Double]]] {
        var found: [AgentID: [Int: [Int64: Double]]] = [:]
        var cursor = try simulation.aggregator.tenant().samples(
            [try LabelMatcher("__name__", .matches, "sim_series_.*")],
            in: Timestamp(milliseconds: 0)...Timestamp(seconds: 4_000_000_000))
        while let run = try cursor.next() {
            let key = run.series.descriptor.key
            guard let series = AgentOracle.series(key.name), let instance = key["instance"],
                key[SeriesKey.relayLabel] == nil
            else { continue }
            for (at, value) in zip(run.timestamps, run.values) {
                found[AgentID(unchecked: instance), default: [:]][series, default: [:]][at] = value
            }
        }
        return found
    }

    private func check(_ exported: [Int: [Int64: Double]], of id: AgentID, _ nodes: [SimulatedAgent]) -> [String] {
        var problems: [String] = []
        // Of two samples of a series at one time (the clock stepped back, a clone) the later commit stays.
        var expected: [Int: [Int64: Set<Double>]] = [:]
        var moved = Set<Double>()
        var copies: [Double: Int] = [:]
        for node in nodes {
            for (content, isQuarantined) in committedContents(of: id, node) {
                for sample in content.samples {
                    copies[sample.value, default: 0] += 1
                    if isQuarantined {
                        moved.insert(sample.value)
                    } else {
                        expected[sample.series, default: [:]][sample.at, default: []].insert(sample.value)
                    }
                }
            }
        }
        let repeated = copies.filter { $0.value > 1 }.count
        if repeated > 0 { problems.append("\(id): \(repeated) samples in two committed batches") }
        var seen = Set<Double>()
        for (series, points) in exported {
            for (at, value) in points {
                if !seen.insert(value).inserted { problems.append("\(id) series \(series): \(value) twice") }
                if expected[series]?[at]?.contains(value) == true { continue }
                if moved.contains(value) { continue }
                problems.append(
                    "\(id) series \(series) at \(at): exported \(value), expected \(expected[series]?[at] ?? [])")
            }
        }
        for (series, points) in expected {
            for at in points.keys where exported[series]?[at] == nil {
                problems.append("\(id) series \(series) at \(at): committed, not exported")
            }
        }
        return Array(problems.prefix(10))
    }

    private func exportedEvents(_ problems: inout [String]) throws -> [String: ListeningEvent] {
        var found: [String: ListeningEvent] = [:]
        var cursor = try simulation.aggregator.tenant().events(
            in: Timestamp(milliseconds: 0)...Timestamp(seconds: 4_000_000_000))
        while let events = try cursor.next() {
            for event in events where found.updateValue(event, forKey: event.id) != nil {
                problems.append("event \(event.id) exported twice")
            }
        }
        return found
    }

    private func check(_ exported: [String: ListeningEvent], of id: AgentID, _ nodes: [SimulatedAgent]) -> [String] {
        var problems: [String] = []
        for node in nodes {
            var certain = Set<String>()
            var quarantined = Set<String>()
            for (content, isQuarantined) in committedContents(of: id, node) {
                for event in content.events {
                    if isQuarantined { quarantined.insert(event.id) } else { certain.insert(event.id) }
                }
            }
            // What was sequenced and not committed is declared or was taken back: `sequences` has checked it.
            let given = node.oracle.sequenced.values.reduce(into: Set<String>()) { $0.formUnion($1.events.map(\.id)) }
            for event in certain where exported[event] == nil {
                problems.append("event \(event): committed, not exported")
            }
            for event in node.oracle.answered where !given.contains(event) {
                problems.append("event \(event): answered without a sequence")
            }
            for (event, produced) in node.oracle.produced {
                guard let found = exported[event] else { continue }
                if !certain.contains(event), !quarantined.contains(event) {
                    problems.append("event \(event): exported, not committed")
                } else if certain.contains(event), !quarantined.contains(event), found != produced {
                    problems.append("event \(event): exported otherwise than produced")
                }
            }
        }
        return Array(problems.prefix(10))
    }
}
