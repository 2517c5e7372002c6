import Telemetry
import WireFormat

/// One sample as its source made it: the value alone tells which it is.
struct ProducedSample: Hashable {
    var series: Int
    var at: Int64
    var value: Double
}

/// What one sealed batch holds, as the harness saw it go in.
final class BatchContent {
    var samples: [ProducedSample] = []
    var events: [ListeningEvent] = []
    /// Virtual milliseconds.
    var sequencedAt: Int64 = 0
}

/// What one agent's sources produced, and what became of it on the agent's side.
final class AgentOracle {
    /// By the key that the batch got; the agent's books may have lost it since (`torn`).
    var sequenced: [BatchKey: BatchContent] = [:]
    /// Sequences that a power cut took back together with their rows.
    var torn: Set<BatchKey> = []
    /// Lanes of which a power cut or a flipped page took something from the books.
    var rewound: Set<LaneKey> = []
    var isDamaged = false
    /// Events answered `.committed`.
    var answered: Set<String> = []
    var produced: [String: ListeningEvent] = [:]
    var producedSamples = 0
    var refusedSamples = 0
    var killedSamples = 0
    var failedFlushes = 0

    static let seriesCount = 8
    static let pushedSeries = 8

    /// f(agent, series, tick).
    static func value(agent: Int, series: Int, tick: Int) -> Double {
        let whole = Double((agent << 32) + tick * 16 + series)
        return series % 2 == 0 ? whole : whole / 4
    }

    static func name(_ series: Int) -> String { "sim_series_\(series)" }
    static func series(_ name: String) -> Int? {
        name.hasPrefix("sim_series_") ? Int(name.dropFirst("sim_series_".count)) : nil
    }
}

/// What became durable at the aggregator, as its store was told.
final class CommitAudit {
    struct Committed {
        var isQuarantined: Bool
        var records: UInt64
    }
    var committed: [AgentID: [BatchKey: Committed]] = [:]
    var losses: [AgentID: [LossRecord]] = [:]
    var commits = 0
    /// Reports of findings in the order of their commits, as often as they were committed.
    var findings: [AgentID: [Finding]] = [:]
}
