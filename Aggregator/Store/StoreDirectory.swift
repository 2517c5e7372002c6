package import Ingest
package import RuntimeSupport
import Synchronization
package import Telemetry
import WireFormat

/// The tenants' stores under one data directory: `<root>/tenants/<tenant>/`. There is no call across tenants.
package final class StoreDirectory: IngestStore, Sendable {
    package let root: String
    package let configuration: StoreConfiguration
    package let metrics: OwnMetrics
    private let time: any TimeSource
    private let agentLabels: @Sendable (TenantID, AgentID) -> AgentLabels
    private let open = Mutex<[TenantID: TenantStore]>([:])
    private let limits = Mutex<[String: TenantLimits]>([:])

    /// - Parameter agentLabels: what an agent's certificate adds to its series (`job`, `region`, `site`); `instance`
    ///   is always the agent's name. Asked once per series table.
    package init(
        root: String, configuration: StoreConfiguration = StoreConfiguration(), time: any TimeSource,
        metrics: OwnMetrics = OwnMetrics(),
        agentLabels: @escaping @Sendable (TenantID, AgentID) -> AgentLabels = { _, _ in [] }
    ) {
        self.root = root
        self.configuration = configuration
        self.time = time
        self.metrics = metrics
        self.agentLabels = agentLabels
    }

    /// Opens a tenant's store, or makes it. The same object until ``closeAll()``.
    package func tenant(_ tenant: TenantID) throws -> TenantStore {
        try open.withLock { stores in
            if let known = stores[tenant] { return known }
            let labels = agentLabels
            let store = try TenantStore(
                tenant: tenant, directory: directory(of: tenant), configuration: configuration, time: time,
                metrics: metrics, agentLabels: { labels(tenant, $0) })
            store.limits = limits(of: tenant)
            stores[tenant] = store
            return store
        }
    }

    /// Sets what tenants may take, by name; `*`: those that are not named. In force at once.
    package func setLimits(_ limits: [String: TenantLimits]) {
        self.limits.withLock { $0 = limits }
        open.withLock { stores in for (tenant, store) in stores { store.limits = self.limits(of: tenant) } }
    }

    package func limits(of tenant: TenantID) -> TenantLimits {
        limits.withLock { limits in
            if let known = limits[tenant.rawValue] ?? limits["*"] { return known }
            var standard = TenantLimits()
            standard.activeSeries = configuration.seriesMax
            return standard
        }
    }

    /// How old what arrives may be, in milliseconds: metrics and events.
    package func retentionMilliseconds(of tenant: TenantID) -> (metrics: Int64, events: Int64) {
        let limits = limits(of: tenant)
        return (
            Int64((limits.retention ?? configuration.retention).raw) * StoreLimits.dayMilliseconds,
            Int64(configuration.eventsRetentionDays(limits)) * StoreLimits.dayMilliseconds
        )
    }

    /// The tenants that have a directory, whether open or not, ascending.
    package func tenants() -> [TenantID] {
        StoreFiles.names(in: "\(root)/tenants").compactMap { TenantID(rawValue: $0) }.sorted()
    }

    /// Whether a tenant's samples are forwarded, without opening its store.
    package func hasForwarding(_ tenant: TenantID) -> Bool {
        StoreFiles.exists("\(directory(of: tenant))/\(ForwardFile.name)")
    }

    /// One round of background work over the tenants that are open, a step for each, so that none waits for another.
    /// - Returns: what was done in all; if anything, call again soon.
    package func compactRound(budgetSamples: Int = StoreLimits.compactionSamplesMax) throws
        -> TenantStore.CompactionResult
    {
        var round = TenantStore.CompactionResult()
        for store in opened {
            let step = try store.compactStep(budgetSamples: budgetSamples)
            round.samples += step.samples
            round.events += step.events
            round.didWork = round.didWork || step.didWork
            round.isBehind = round.isBehind || step.isBehind
        }
        return round
    }

    /// Retention and shrinking, for every open tenant; every few minutes.
    package func maintain() throws {
        for store in opened { try store.maintain() }
    }

    private var opened: [TenantStore] { open.withLock { $0.sorted { $0.key < $1.key }.map(\.value) } }

    package func closeAll() {
        let all = open.withLock { stores in
            defer { stores.removeAll() }
            return stores.values.map { $0 }
        }
        for store in all { store.close() }
    }

    private func directory(of tenant: TenantID) -> String { "\(root)/tenants/\(tenant.rawValue)" }

    // MARK: IngestStore

    package func loadIngest(of tenant: TenantID) throws -> IngestSnapshot { try self.tenant(tenant).ingestSnapshot() }

    package func committedCount(
        of tenant: TenantID, agent: AgentID, lane: LaneKey, within sequences: ClosedRange<UInt64>
    ) throws -> LedgerCount? {
        try self.tenant(tenant).committedCount(of: agent, lane, within: sequences)
    }

    package func commit(_ commit: IngestCommit, of tenant: TenantID) throws {
        try reopening(tenant) { try $0.commit(commit) }
    }

    /// See ``TenantStore/commit(pushed:)``.
    package func commit(pushed blocks: [PushedBlock], of tenant: TenantID) throws {
        try reopening(tenant) { try $0.commit(pushed: blocks) }
    }

    private func reopening(_ tenant: TenantID, _ body: (TenantStore) throws -> Void) throws {
        let store = try self.tenant(tenant)
        do {
            try body(store)
        } catch let error as StoreError where error.code == .damaged {
            // Opening again sets the damaged file aside; the commit may come again then. Whoever still reads keeps
            // the old store alive, on the file that was moved.
            open.withLock { $0[tenant] = nil }
            throw error
        }
    }
}
