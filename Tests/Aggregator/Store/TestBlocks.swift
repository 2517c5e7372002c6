import Ingest
import RuntimeSupport
import Store
import Telemetry
import WireFormat

/// Makes commits as ingest would.
struct TestAgent {
    let id: AgentID
    let epoch: EpochID
    let tableHash: TableHash
    let series: [SeriesDescriptor]
    var sequence: UInt64 = 0

    init(_ name: String, seriesCount: Int, epoch: UInt64 = 1) {
        self.init(
            name,
            series: (0..<seriesCount).map { number in
                SeriesDescriptor(
                    key: SeriesKey(
                        name: "metric_\(number % 7)",
                        labels: [Label("number", "\(number)"), Label("zone", "z\(number % 3)")]),
                    type: number % 2 == 0 ? .counter : .gauge)
            }, epoch: epoch)
    }

    init(_ name: String, series: [SeriesDescriptor], epoch: UInt64 = 1) {
        id = AgentID(unchecked: name)
        self.epoch = EpochID(high: epoch, low: name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) })
        self.series = series
        tableHash = TableHash(high: self.epoch, low: ID128(high: 7, low: UInt64(series.count)))
    }

    func labels(_ number: Int) -> SeriesKey {
        SeriesKey(labels: [Label("instance", id.rawValue)] + series[number].key.labels)
    }

    var table: IngestCommit.Table {
        IngestCommit.Table(agent: id, hash: tableHash, encoded: TestBlocks.encodeTable(series), series: series)
    }

    mutating func metrics(
        _ samples: MetricBatch, at now: Timestamp, sequence forced: UInt64? = nil,
        clock: ClockReading = TestBlocks.clock,
        isQuarantined: Bool = false
    ) -> IngestCommit.Block {
        if forced == nil { sequence += 1 }
        let times = samples.groups.flatMap(\.timestamps)
        let header = BatchHeader(
            kind: .metrics, lane: .live, agent: id, epoch: epoch, sequence: forced ?? sequence, dataKeyID: .zero,
            firstTimestamp: Timestamp(milliseconds: times.min() ?? 0),
            lastTimestamp: Timestamp(milliseconds: times.max() ?? 0),
            recordCount: UInt32(samples.sampleCount), clock: clock, nonce: [])
        let table = TableReference(hash: tableHash, count: UInt32(series.count))
        return IngestCommit.Block(
            agent: id, header: header, body: TestBlocks.encodeMetrics(table, samples),
            content: .metrics(MetricContent(tables: [table], samples: samples)), receivedAt: now,
            isQuarantined: isQuarantined)
    }

    mutating func events(_ events: [ListeningEvent], at now: Timestamp) -> IngestCommit.Block {
        sequence += 1
        let header = BatchHeader(
            kind: .events, lane: .live, agent: id, epoch: epoch, sequence: sequence, dataKeyID: .zero,
            firstTimestamp: events.map(\.at).min() ?? now, lastTimestamp: events.map(\.at).max() ?? now,
            recordCount: UInt32(events.count), clock: TestBlocks.clock, nonce: [])
        return IngestCommit.Block(
            agent: id, header: header, body: TestBlocks.encodeEvents(events), content: .events(EventContent(events)),
            receivedAt: now)
    }

    mutating func findings(_ findings: [Finding], at now: Timestamp) -> IngestCommit.Block {
        sequence += 1
        let header = BatchHeader(
            kind: .findings, lane: .live, agent: id, epoch: epoch, sequence: sequence, dataKeyID: .zero,
            firstTimestamp: now, lastTimestamp: now, recordCount: UInt32(findings.count), clock: TestBlocks.clock,
            nonce: [])
        return IngestCommit.Block(
            agent: id, header: header, body: FindingBlock.encode(findings), content: .findings(findings),
            receivedAt: now)
    }

    func dedup(through: UInt64, at now: Timestamp) -> DedupState {
        var state = DedupState(agent: id, laneKey: LaneKey(epoch: epoch, lane: .live), firstSeenAt: now)
        if through > 0 { _ = state.settled.insert(1...through) }
        state.counts.committed = LedgerCount(batches: through, records: through * 10)
        return state
    }
}

enum TestBlocks {
    static let tenant = TenantID(unchecked: "acme")
    static let clock = ClockReading(
        isSynchronized: true, errorBoundMilliseconds: 1, bootID: .zero, monotonicNanoseconds: 5)
    /// 2026-01-01T00:00:00Z.
    static let start = Timestamp(seconds: 1_767_225_600)

    static func encodeEvents(_ events: [ListeningEvent]) -> [UInt8] {
        guard let block = try? EventBlock.encode(events), let body = try? BlockBody() else { return [] }
        return (try? body.compress(block)) ?? []
    }
    static func encodeTable(_ series: [SeriesDescriptor]) -> [UInt8] { (try? SeriesTable.encode(series)) ?? [] }

    static func encodeMetrics(_ table: TableReference, _ samples: MetricBatch) -> [UInt8] {
        guard let block = try? MetricBlock.encode(samples, tables: [table]), let body = try? BlockBody() else {
            return []
        }
        return (try? body.compress(block)) ?? []
    }

    static func everything(_ store: TenantStore) throws -> [SeriesKey: [Int64: Double]] {
        var found: [SeriesKey: [Int64: Double]] = [:]
        var cursor = try store.samples([], in: .distantPast ... .distantFuture)
        while let next = try cursor.next() {
            found[next.series.descriptor.key] = Dictionary(uniqueKeysWithValues: zip(next.timestamps, next.values))
        }
        return found
    }

    static func events(_ store: TenantStore, includesHistory: Bool = false) throws -> [ListeningEvent] {
        var found: [ListeningEvent] = []
        var cursor = try store.events(in: .distantPast ... .distantFuture, includesHistory: includesHistory)
        while let next = try cursor.next() { found += next }
        return found
    }
}
