package import Telemetry

/// Reads series by series over head, level 0 and level 1, merged by time. An agent's series mostly follow each other
/// by id, so what one agent's series share stays open until another agent's is asked for.
///
/// Bounded memory, see ``AgentReader``. Not thread-safe: one for each thread.
package struct SeriesReader {
    let store: TenantStore
    private let range: ClosedRange<Timestamp>
    private var reader: AgentReader?
    private var sharers: [AgentNumber: AgentReader] = [:]

    init(_ store: TenantStore, _ range: ClosedRange<Timestamp>) {
        self.store = store
        self.range = range
    }

    /// Appends a series' samples in range: strictly ascending in time, milliseconds.
    /// - Throws: ``StoreError``. What does not decode is left out, reported and counted in ``damagedParts``.
    package mutating func read(
        _ entry: SeriesIndex.Entry, _ timestamps: inout [Int64], _ values: inout [Double]
    ) throws {
        let run = try samples(of: entry.id, entry.agent)
        timestamps.append(contentsOf: run.timestamps)
        values.append(contentsOf: run.values)
    }

    /// Chunk groups that could not be read so far.
    package var damagedParts: Int {
        sharers.values.reduce(finishedDamage + (reader?.damagedCount ?? 0)) { $0 + $1.damagedCount }
    }
    private var finishedDamage = 0

    mutating func samples(of id: SeriesID, _ agent: AgentNumber) throws -> SampleRun {
        if reader?.agent != agent {
            finishedDamage += reader?.damagedCount ?? 0
            reader = try AgentReader(store, agent, range)
        }
        var run = try store.throwing { try reader?.samples(of: id) ?? SampleRun() }
        for agent in store.index.sharers(of: id) {
            let reader = try sharers[agent] ?? AgentReader(store, agent, range)
            sharers[agent] = reader
            let more = try store.throwing { try reader.samples(of: id) }
            guard !more.isEmpty else { continue }
            run.append(more)
            run.settle()
        }
        return run
    }
}

extension TenantStore {
    /// For reading many series one by one.
    package func reader(in range: ClosedRange<Timestamp>) -> SeriesReader { SeriesReader(self, range) }
    /// The name of the agent that a series belongs to; nil for pushed ones.
    package func agent(_ number: AgentNumber) -> AgentID? {
        agents.name(of: number).flatMap { $0 == PushedSeries.agent ? nil : $0 }
    }
}
