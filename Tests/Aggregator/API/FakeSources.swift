import API
import Ingest
import PromQL
import Store
import Synchronization
import Telemetry

/// Two tenants' worth of invented data; a tenant that is not known is an error, as a leak would be.
final class FakeSources: TenantSources {
    struct Unknown: Error { let tenant: TenantID }
    struct Tenant: Sendable {
        var series: [(key: SeriesKey, samples: [Sample])] = []
        var events: [ListeningEvent] = []
        var gaps: [Gap] = []
        var findings: [StoredFinding] = []
        var anomalies = AnomalyRanking()
        var agents: [AgentSummary] = []
        var ledger: [LedgerLine] = []
        var failsAfterSeries: Int?
    }
    private let tenants: Mutex<[TenantID: Tenant]>
    /// Every tenant that was asked for.
    let asked = Mutex<Set<TenantID>>([])

    init(_ tenants: [TenantID: Tenant]) { self.tenants = Mutex(tenants) }

    func update(_ tenant: TenantID, _ body: (inout Tenant) -> Void) {
        tenants.withLock { body(&$0[tenant, default: Tenant()]) }
    }
    private func tenant(_ name: TenantID) throws -> Tenant {
        asked.withLock { _ = $0.insert(name) }
        guard let tenant = tenants.withLock({ $0[name] }) else { throw Unknown(tenant: name) }
        return tenant
    }
    func metrics(of tenant: TenantID) throws -> any SampleSource { FakeSeries(try self.tenant(tenant)) }
    func queries(of tenant: TenantID) throws -> any SeriesSource { FakeQueries(series: try self.tenant(tenant).series) }
    func sink(of tenant: TenantID) throws -> any SampleSink {
        _ = try self.tenant(tenant)
        return FakeSink(series: pushed, counts: counts, refusal: refusal.withLock { $0 })
    }
    func delete(_ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>, of tenant: TenantID) throws {
        _ = try self.tenant(tenant)
        update(tenant) { tenant in
            for index in tenant.series.indices {
                let key = tenant.series[index].key
                guard selectors.contains(where: { $0.allSatisfy { $0.isSatisfied(by: key[$0.name] ?? "") } }) else {
                    continue
                }
                tenant.series[index].samples.removeAll { range.contains($0.timestamp) }
            }
        }
    }
    func limits(of tenant: TenantID) throws -> TenantLimits { limited.withLock { $0 } }
    let limited = Mutex(TenantLimits())
    func cleanDeletions(of tenant: TenantID) throws { _ = try self.tenant(tenant) }
    private let pushed = PushedSeries()
    /// What writes are answered with.
    let refusal = Mutex<PushError?>(nil)
    /// How many samples each write had.
    let counts = WriteCounts()
    func findings(_ query: FindingQuery, of tenant: TenantID) throws -> [StoredFinding] {
        try self.tenant(tenant).findings.filter {
            (query.agent == nil || $0.agent == query.agent) && (query.id == nil || $0.finding.id == query.id)
        }
    }
    func anomalies(_ query: AnomalyQuery, of tenant: TenantID, check: () throws -> Void) throws -> AnomalyRanking {
        try check()
        lastAnomalyQuery.withLock { $0 = query }
        return try self.tenant(tenant).anomalies
    }
    let lastAnomalyQuery = Mutex<AnomalyQuery?>(nil)
    func gaps(of tenant: TenantID, in range: ClosedRange<Timestamp>) throws -> [Gap] { try self.tenant(tenant).gaps }
    func events(of tenant: TenantID) throws -> any EventSource { FakeEvents(events: try self.tenant(tenant).events) }
    func agents(of tenant: TenantID) throws -> [AgentSummary] { try self.tenant(tenant).agents }
    func ledger(of tenant: TenantID) throws -> [LedgerLine] { try self.tenant(tenant).ledger }
}

final class WriteCounts: Sendable {
    let all = Mutex<[Int]>([])
}

private struct FakeSink: SampleSink {
    let series: PushedSeries
    let counts: WriteCounts
    let refusal: PushError?
    var writableTimes: ClosedRange<Int64> { 0...2_000_000_000_000 }
    var limits: TenantLimits { TenantLimits() }
    var seriesRemaining: Int { 1000 }
    func checkRate() throws { if case .rate? = refusal { throw PushError.rate(perSecond: 10, afterSeconds: 7) } }
    func write(_ samples: SampleWrite) throws {
        if let refusal { throw refusal }
        counts.all.withLock { $0.append(samples.sampleCount) }
    }
    func write(_ samples: SampleWrite, _ done: @escaping @Sendable (Result<Void, any Error>) -> Void) {
        done(Result { try write(samples) })
    }
}

/// The tenant's series as the query engine reads them.
private struct FakeQueries: SeriesSource {
    let series: [(key: SeriesKey, samples: [Sample])]

    func select(_ request: SeriesRequest) throws -> any SeriesSelection {
        Selection(
            series: series.filter { entry in
                request.matchers.allSatisfy { $0.isSatisfied(by: entry.key[$0.name] ?? "") }
            }, range: request.range)
    }
    private struct Selection: SeriesSelection {
        let series: [(key: SeriesKey, samples: [Sample])]
        let range: ClosedRange<Int64>
        var count: Int { series.count }
        func labels(at position: Int) -> SeriesKey { series[position].key }
        func makeReader() throws -> any SampleReader { Reader(selection: self) }
    }
    private struct Reader: SampleReader {
        let selection: Selection
        mutating func read(_ position: Int, into buffer: inout SampleBuffer) throws {
            for sample in selection.series[position].samples
            where selection.range.contains(sample.timestamp.milliseconds) {
                buffer.append(sample.timestamp.milliseconds, sample.value)
            }
        }
    }
}

private struct FakeSeries: SampleSource {
    let index = SeriesIndex(seriesMax: 1000)
    let samples: [SeriesKey: [Sample]]
    let failsAfterSeries: Int?

    init(_ tenant: FakeSources.Tenant) {
        failsAfterSeries = tenant.failsAfterSeries
        samples = Dictionary(uniqueKeysWithValues: tenant.series)
        for series in tenant.series {
            guard let first = series.samples.first, let last = series.samples.last else { continue }
            let ids = index.register([SeriesDescriptor(key: series.key, type: .gauge)], agent: 0, agentLabels: [])
            index.touch(ids.compactMap { $0 }, first.timestamp...last.timestamp)
        }
    }
    func series(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [SeriesIndex.Entry] {
        index.select(matchers, in: range).compactMap { index.entry($0) }
    }
    func series(
        _ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>, limit: Int?
    ) -> (entries: [SeriesIndex.Entry], count: Int) {
        let ids = index.select(anyOf: selectors, in: range)
        return (ids.prefix(limit ?? .max).compactMap { index.entry($0) }, ids.count)
    }
    func bounds(_ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>) -> ClosedRange<Timestamp>? {
        index.bounds(of: index.select(anyOf: selectors, in: range))
    }
    func metricTypes() -> [(name: String, type: MetricType)] { index.metricTypes() }
    func cardinality(top count: Int) -> Cardinality { index.cardinality(top: count) }
    func labelNames(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [String] {
        index.labelNames(matchers, in: range)
    }
    func labelValues(_ name: String, _ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) -> [String] {
        index.labelValues(name, matchers, in: range)
    }
    func samples(_ matchers: [LabelMatcher], in range: ClosedRange<Timestamp>) throws -> any SeriesCursor {
        let found = series(matchers, in: range).map { entry in
            let inRange = (samples[entry.descriptor.key] ?? []).filter { range.contains($0.timestamp) }
            return SeriesSamples(
                series: entry, timestamps: inRange.map(\.timestamp.milliseconds), values: inRange.map(\.value))
        }
        return Cursor(left: found.filter { !$0.timestamps.isEmpty }, failsAfter: failsAfterSeries)
    }
    struct Cursor: SeriesCursor {
        struct Broken: Error {}
        var left: [SeriesSamples]
        var failsAfter: Int?
        mutating func next() throws -> SeriesSamples? {
            if failsAfter == 0 { throw Broken() }
            failsAfter = failsAfter.map { $0 - 1 }
            return left.isEmpty ? nil : left.removeFirst()
        }
    }
}

private struct FakeEvents: EventSource {
    let events: [ListeningEvent]
    func events(
        in range: ClosedRange<Timestamp>, kinds: Set<EventKind>, includesHistory: Bool
    ) throws -> any EventCursor {
        let found = events.filter { range.contains($0.at) && (kinds.isEmpty || kinds.contains($0.kind)) }
        return Cursor(left: found.map { [$0] })
    }
    struct Cursor: EventCursor {
        var left: [[ListeningEvent]]
        mutating func next() throws -> [ListeningEvent]? { left.isEmpty ? nil : left.removeFirst() }
    }
}
