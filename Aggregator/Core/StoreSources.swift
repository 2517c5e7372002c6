import API
import Access
import Ingest
import PromQL
import RuntimeSupport
import Store
import Telemetry
import WireFormat

/// Pushed samples are encoded by whoever sends them and committed by the tenant's writer.
private struct WriterSink: SampleSink {
    let store: TenantStore
    let writer: TenantWriter
    let time: any TimeSource

    var series: PushedSeries { store.pushed }
    var writableTimes: ClosedRange<Int64> { store.writableTimes }
    var limits: TenantLimits { store.limits }
    /// Those that no commit has put into the index yet count, too.
    var seriesRemaining: Int { store.limits.activeSeries - store.index.count - store.pushed.unsavedCount }

    func checkRate() throws {
        let perSecond = store.limits.samplesPerSecond
        let wait = store.sampleRate.wait(perSecond: perSecond, now: time.monotonicNanoseconds)
        guard wait == 0 else { throw PushError.rate(perSecond: perSecond, afterSeconds: wait) }
    }

    func write(_ samples: SampleWrite) throws { try writer.write(try blocks(of: samples)) }

    func write(_ samples: SampleWrite, _ done: @escaping @Sendable (Result<Void, any Error>) -> Void) {
        do { try writer.write(try blocks(of: samples), done) } catch { done(.failure(error)) }
    }

    private func blocks(of samples: SampleWrite) throws -> [PushedBlock] {
        let perSecond = store.limits.samplesPerSecond
        let wait = store.sampleRate.take(samples.sampleCount, perSecond: perSecond, now: time.monotonicNanoseconds)
        guard wait == 0 else { throw PushError.rate(perSecond: perSecond, afterSeconds: wait) }
        return try store.prepare(samples)
    }

    func note(_ families: [MetricMetadata]) throws { try store.note(families) }
}

/// What the HTTP routes read: the store's data, and what the writers know of the fleet.
struct StoreSources: TenantSources {
    let store: StoreDirectory
    let directory: AgentDirectory
    let time: any TimeSource
    /// What the tenant's writer knows this moment; nil before it runs: then what it last committed counts.
    let running: @Sendable (TenantID) -> [FleetState]?
    /// Versions of manifests that an agent shall run.
    let desired: @Sendable (AgentID, TenantID) -> (own: UInt64, groups: [(GroupName, UInt64)])
    let writer: @Sendable (TenantID) throws -> TenantWriter

    func metrics(of tenant: TenantID) throws -> any SampleSource { try store.tenant(tenant) }

    func queries(of tenant: TenantID) throws -> any SeriesSource { StoredSeries(store: try store.tenant(tenant)) }

    func sink(of tenant: TenantID) throws -> any SampleSink {
        WriterSink(store: try store.tenant(tenant), writer: try writer(tenant), time: time)
    }

    func delete(_ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>, of tenant: TenantID) throws {
        _ = try store.tenant(tenant).delete(selectors, in: range)
    }

    func limits(of tenant: TenantID) throws -> TenantLimits { store.limits(of: tenant) }

    func cleanDeletions(of tenant: TenantID) throws { try store.tenant(tenant).cleanDeletions() }

    func events(of tenant: TenantID) throws -> any EventSource { try store.tenant(tenant) }

    func metricFamilies(of tenant: TenantID) throws -> [String: MetricMetadata] {
        try store.tenant(tenant).metricFamilies
    }

    func findings(_ query: FindingQuery, of tenant: TenantID) throws -> [StoredFinding] {
        try store.tenant(tenant).findings(query)
    }

    func anomalies(_ query: AnomalyQuery, of tenant: TenantID, check: () throws -> Void) throws -> AnomalyRanking {
        try store.tenant(tenant).rankAnomalies(query, check: check)
    }

    func gaps(of tenant: TenantID, in range: ClosedRange<Timestamp>) throws -> [Gap] {
        try store.tenant(tenant).gaps(in: range)
    }

    func agents(of tenant: TenantID) throws -> [AgentSummary] {
        let now = time.now
        let store = try store.tenant(tenant)
        var summaries: [AgentID: AgentSummary] = [:]
        for issued in directory.certificates(of: tenant) {
            let certificate = issued.certificate
            var summary = AgentSummary(agent: certificate.agent, state: .new)
            summary.region = certificate.region
            summary.site = certificate.site
            summary.job = certificate.job
            summary.isRelay = certificate.isRelay
            summary.certificateEndsAt = certificate.notAfter
            summaries[certificate.agent] = summary
        }
        let pending = Dictionary(grouping: store.ledger(), by: \.agent)
            .mapValues { $0.reduce(LedgerCount()) { $0 + Self.line($1).pending } }
        for fleet in running(tenant) ?? store.fleet() {
            var summary = summaries[fleet.agent] ?? AgentSummary(agent: fleet.agent, state: .new)
            summary.state = AgentSummary.state(isOnline: fleet.isOnline, lastSeenAt: fleet.lastSeenAt, now: now)
            summary.lastSeenAt = fleet.lastSeenAt
            summary.lagMilliseconds = now.milliseconds(since: fleet.lastSeenAt)
            summary.version = fleet.birth?.agentVersion ?? ""
            summary.clockSkewMilliseconds = fleet.clockSkewMilliseconds
            summary.isClockSynchronized = fleet.isClockSynchronized
            summary.bufferBytes = fleet.birth?.bufferBytes ?? 0
            summary.pending = pending[fleet.agent] ?? LedgerCount()
            summary.runningConfigurationVersion = fleet.birth?.runningConfigurationVersion ?? 0
            summary.keyBundleVersion = fleet.birth?.keyBundleVersion ?? 0
            summary.isCloneSuspected = fleet.cloneSeenAt > .distantPast
            summary.runningEpoch = fleet.birth?.runningEpoch
            summary.configuration = configuration(of: fleet, tenant)
            summaries[fleet.agent] = summary
        }
        return summaries.values.sorted { $0.agent < $1.agent }
    }

    /// One line for the agent's own scope, one for each of its groups, in the order of precedence: later over earlier.
    private func configuration(of fleet: FleetState, _ tenant: TenantID) -> [ConfigurationStanding] {
        let desired = desired(fleet.agent, tenant)
        var lines = desired.groups.map { group, version in
            ConfigurationStanding(group: group, desiredVersion: version, fleet.reports[.group(group)])
        }
        var own = ConfigurationStanding(group: nil, desiredVersion: desired.own, fleet.reports[.agent(fleet.agent)])
        own.runningVersion = fleet.birth?.runningConfigurationVersion ?? 0
        own.attemptedVersion = fleet.birth?.attemptedConfigurationVersion ?? 0
        lines.append(own)
        return lines
    }

    func ledger(of tenant: TenantID) throws -> [LedgerLine] { try store.tenant(tenant).ledger().map(Self.line) }

    /// The ledger of a lane as this side knows it. What was produced is the larger of what the agent's last
    /// birth said and what has been settled here; what is neither settled nor declared is pending.
    static func line(_ state: DedupState) -> LedgerLine {
        let settled = state.counts.total
        var produced = settled
        if let reported = state.reported?.produced {
            produced.batches = max(produced.batches, reported.batches)
            produced.records = max(produced.records, reported.records)
        }
        let pending = LedgerCount(
            batches: produced.batches - settled.batches, records: produced.records - settled.records)
        return LedgerLine(
            agent: state.agent, laneKey: state.laneKey, produced: produced, committed: state.counts.committed,
            quarantined: state.counts.quarantined,
            rejected: RejectionCode.allCases.compactMap { code in
                let count = state.counts.rejected[Int(code.rawValue) - 1]
                return count == LedgerCount() ? nil : (code, count)
            },
            pending: pending,
            dropped: LossReason.allCases.compactMap { reason in
                let count = state.counts.declared[Int(reason.rawValue) - 1]
                return count == LedgerCount() ? nil : (reason, count)
            }, duplicates: state.counts.duplicates)
    }
}
