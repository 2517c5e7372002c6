import Ingest
import RuntimeSupport
import SQLite
import Synchronization
import Telemetry
import WireFormat

extension TenantStore {
    /// Samples further ahead of our clock than this are not taken.
    package static let futureMillisecondsMax: Int64 = 86_400_000

    /// The times of samples that ``prepare(_:)`` takes: from the retention's begin to a day ahead.
    package var writableTimes: ClosedRange<Int64> {
        let oldest = retentionDay.multipliedReportingOverflow(by: StoreLimits.dayMilliseconds)
        return (oldest.overflow ? .min : oldest.partialValue)...time.now.milliseconds + Self.futureMillisecondsMax
    }

    /// Encodes pushed samples, on any thread; ``commit(pushed:)`` makes them durable.
    /// - Parameter write: times within ``writableTimes``; series of ``pushed``.
    /// - Complexity: O(n log n) in samples; some 30 ns each.
    package func prepare(_ write: SampleWrite) throws -> [PushedBlock] {
        var write = write
        return try PushedBlockBuilder.blocks(of: write.pieces(), tables: pushed.endedTables())
    }

    /// One durable transaction for all blocks, on the thread that commits: everything, or, when it throws, nothing.
    package func commit(pushed blocks: [PushedBlock]) throws {
        let now = time.now
        var commit = IngestCommit(number: 0, at: now)
        let fresh = pushed.takeUnsaved()
        for table in fresh {
            commit.tables.append(
                IngestCommit.Table(
                    agent: PushedSeries.agent, hash: table.hash, encoded: try SeriesTable.encode(table.series),
                    series: table.series))
        }
        commit.blocks = blocks.map { pushedBlock($0, now) }
        do { try self.commit(commit) } catch {
            pushed.returnUnsaved(fresh)
            throw error
        }
    }

    private func pushedBlock(_ block: PushedBlock, _ now: Timestamp) -> IngestCommit.Block {
        let first = block.batch.groups.compactMap(\.timestamps.first).min() ?? 0
        let last = block.batch.groups.compactMap(\.timestamps.last).max() ?? 0
        let sequence = pushedSequence.withLock { sequence in
            sequence += 1
            return sequence
        }
        let header = BatchHeader(
            kind: .metrics, lane: .live, agent: PushedSeries.agent, epoch: pushedEpoch, sequence: sequence,
            dataKeyID: .zero, firstTimestamp: Timestamp(milliseconds: first),
            lastTimestamp: Timestamp(milliseconds: last), recordCount: UInt32(block.batch.sampleCount),
            clock: ClockReading(
                isSynchronized: true, errorBoundMilliseconds: 0, bootID: .zero, monotonicNanoseconds: 0),
            nonce: [])
        return IngestCommit.Block(
            agent: PushedSeries.agent, header: header, body: block.body,
            content: .metrics(MetricContent(tables: block.tables, samples: block.batch)), receivedAt: now)
    }

    /// Puts the tables of pushed series back after a start.
    func loadPushed() throws {
        guard let number = agents.number(of: PushedSeries.agent) else { return }
        try ingest.use { database in
            let statement = try database.statement("SELECT hash, encoded FROM tables WHERE agent = ?1 ORDER BY id")
            try statement.bind(1, Int64(number))
            while try statement.step() {
                guard let hash = TableHash(bytes: statement.blob(0)),
                    let series = try? StoreCodec.decodeTable(statement.blob(1))
                else { continue }
                pushed.restore(hash, series)
            }
        }
    }
}

extension AgentID {
    /// A name as a file of the store holds it.
    init?(stored text: String) {
        if text == PushedSeries.agent.rawValue { self = PushedSeries.agent } else { self.init(rawValue: text) }
    }
}

extension TenantStore {
    /// Whether an agent's number stands for pushed series.
    func isPushed(_ agent: AgentNumber) -> Bool { agents.name(of: agent) == PushedSeries.agent }
}
