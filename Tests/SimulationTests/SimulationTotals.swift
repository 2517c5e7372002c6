import MQTT
import Telemetry
import WireFormat

/// How often what happened over many runs, so that a plan that no longer does its worst is noticed.
struct SimulationTotals: CustomStringConvertible {
    private var counts: [String: Int] = [:]
    private var order: [String] = []

    mutating func add(_ simulation: Simulation) {
        let broker = simulation.broker.counters
        let aggregator = simulation.aggregator
        let agents = simulation.agents
        add("batches", aggregator.audit.committed.values.reduce(0) { $0 + $1.count })
        add("samples", agents.reduce(0) { $0 + $1.oracle.producedSamples })
        add("events answered", agents.reduce(0) { $0 + $1.oracle.answered.count })
        add("agent starts", agents.reduce(0) { $0 + $1.lives })
        add("aggregator kills", aggregator.kills)
        add("broker crashes", broker.crashes)
        add("messages dropped", broker.dropped)
        add("duplicated", broker.duplicated)
        add("replayed", broker.replayed)
        add("forged", broker.forged)
        add("withheld", broker.withheld)
        add("kicked", broker.kicked)
        add("duplicates refused", Int(aggregator.duplicates))
        add("rows torn off", agents.reduce(0) { $0 + $1.oracle.torn.count })
        add("files set aside", agents.reduce(0) { $0 + $1.setAside })
        add("flushes failed", agents.reduce(0) { $0 + $1.oracle.failedFlushes })
        add("samples killed unsequenced", agents.reduce(0) { $0 + $1.oracle.killedSamples })
        add("samples refused after a step", agents.reduce(0) { $0 + $1.oracle.refusedSamples })
        add(
            "batches declared lost",
            aggregator.audit.losses.values.joined().reduce(0) { $0 + Int($1.count.batches) })
        add(
            "batches quarantined",
            aggregator.audit.committed.values.reduce(0) { $0 + $1.values.count { $0.isQuarantined } })
    }

    private mutating func add(_ name: String, _ count: Int) {
        if counts[name] == nil { order.append(name) }
        counts[name, default: 0] += count
    }

    var neverHappened: [String] { order.filter { counts[$0] == 0 } }
    var description: String { order.map { "\($0) \(counts[$0] ?? 0)" }.joined(separator: ", ") }
}
