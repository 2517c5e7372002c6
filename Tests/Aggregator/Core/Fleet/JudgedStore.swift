import Ingest
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import WireFormat

/// A tenant's store with agents that send samples and the anomaly bits of some.
final class JudgedStore {
    /// 2026-01-01T00:00:00Z.
    static let start: Int64 = 1_767_225_600_000
    static let tenant = TenantID(unchecked: "acme")

    let directory: TemporaryDirectory
    let time: ManualTimeSource
    let stores: StoreDirectory
    let store: TenantStore
    private var sequences: [String: UInt64] = [:]
    private var number: UInt64 = 0

    /// - Parameter labels: what an agent's certificate says, by its name.
    init(labels: [String: [Label]] = [:]) throws {
        directory = try TemporaryDirectory()
        time = ManualTimeSource(now: Timestamp(milliseconds: Self.start))
        stores = StoreDirectory(
            root: directory.path, time: time, agentLabels: { _, agent in AgentLabels(labels[agent.rawValue] ?? []) })
        store = try stores.tenant(Self.tenant)
    }

    func close() { stores.closeAll() }

    /// One block: rows of values by time (seconds after ``start``), for the series in order.
    /// - Parameter anomalous: series and index of time of what the agent judged anomalous.
    func send(
        _ agent: String, _ series: [SeriesDescriptor], seconds: [Int64], anomalous: [(series: Int, time: Int)] = [],
        value: (_ series: Int, _ time: Int) -> Double = { Double($0) + Double($1) }
    ) throws {
        let id = AgentID(unchecked: agent)
        let epoch = EpochID(high: 1, low: agent.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) })
        let hash = TableHash(high: epoch, low: ID128(high: 7, low: UInt64(series.count)))
        let encoded = try SeriesTable.encode(series)
        var bits = [UInt64](repeating: 0, count: anomalous.isEmpty ? 0 : (series.count * seconds.count + 63) / 64)
        for place in anomalous {
            let index = place.series * seconds.count + place.time
            bits[index / 64] |= 1 << UInt64(index % 64)
        }
        let samples = MetricBatch(groups: [
            MetricBatch.Group(
                timestamps: seconds.map { Self.start + $0 * 1000 }, series: Array(0..<UInt32(series.count)),
                values: series.indices.flatMap { number in seconds.indices.map { value(number, $0) } }, anomalies: bits)
        ])
        let sequence = sequences[agent, default: 0] + 1
        sequences[agent] = sequence
        number += 1
        var commit = IngestCommit(number: number, at: time.now)
        if sequence == 1 {
            commit.tables = [IngestCommit.Table(agent: id, hash: hash, encoded: encoded, series: series)]
        }
        let header = BatchHeader(
            kind: .metrics, lane: .live, agent: id, epoch: epoch, sequence: sequence, dataKeyID: .zero,
            firstTimestamp: Timestamp(milliseconds: Self.start + (seconds.first ?? 0) * 1000),
            lastTimestamp: Timestamp(milliseconds: Self.start + (seconds.last ?? 0) * 1000),
            recordCount: UInt32(samples.sampleCount),
            clock: ClockReading(
                isSynchronized: true, errorBoundMilliseconds: 1, bootID: .zero, monotonicNanoseconds: 5), nonce: [])
        let table = TableReference(hash: hash, count: UInt32(series.count))
        let body = try BlockBody().compress(MetricBlock.encode(samples, tables: [table]))
        commit.blocks = [
            IngestCommit.Block(
                agent: id, header: header, body: body,
                content: .metrics(MetricContent(tables: [table], samples: samples)),
                receivedAt: time.now)
        ]
        var dedup = DedupState(
            agent: id, laneKey: LaneKey(epoch: epoch, lane: .live), firstSeenAt: Timestamp(milliseconds: Self.start))
        _ = dedup.settled.insert(1...sequence)
        dedup.counts.committed = LedgerCount(batches: sequence, records: sequence)
        commit.dedup = [dedup]
        try store.commit(commit)
    }

    /// Merges level 0 into chunks.
    func compact() throws { while try store.compactStep(isDraining: true).didWork {} }

    static func gauges(_ names: [String], _ labels: [Label] = []) -> [SeriesDescriptor] {
        names.map { SeriesDescriptor(key: SeriesKey(name: $0, labels: labels), type: .gauge) }
    }
}
