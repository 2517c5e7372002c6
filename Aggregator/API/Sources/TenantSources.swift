package import Access
package import PromQL
package import Rules
package import Store
package import Telemetry

/// Where the routes read a tenant's data from. Every call names its tenant; there is none across tenants.
///
/// Calls block (files are read) and run on the API's ``BlockingPool``, many at a time.
package protocol TenantSources: Sendable {
    func metrics(of tenant: TenantID) throws -> any SampleSource
    /// The same for queries.
    func queries(of tenant: TenantID) throws -> any SeriesSource
    func sink(of tenant: TenantID) throws -> any SampleSink
    /// What the tenant may take.
    func limits(of tenant: TenantID) throws -> TenantLimits
    /// Deletes the samples in `range` of series that one of the selectors matches; durable and in force when it
    /// returns.
    func delete(_ selectors: [[LabelMatcher]], in range: ClosedRange<Timestamp>, of tenant: TenantID) throws
    /// Takes what was deleted out of the files. May take minutes.
    func cleanDeletions(of tenant: TenantID) throws
    /// Stretches that are known to be missing or corrected and may touch `range`, oldest first.
    func gaps(of tenant: TenantID, in range: ClosedRange<Timestamp>) throws -> [Gap]
    func events(of tenant: TenantID) throws -> any EventSource
    /// What sources say of metric families, by name.
    func metricFamilies(of tenant: TenantID) throws -> [String: MetricMetadata]
    /// What agents found strange, the newest first.
    func findings(_ query: FindingQuery, of tenant: TenantID) throws -> [StoredFinding]
    /// What became strange together in a window.
    /// - Parameter check: called now and then; ends the work with its error.
    /// - Throws: ``AnomalyQueryError``.
    func anomalies(_ query: AnomalyQuery, of tenant: TenantID, check: () throws -> Void) throws -> AnomalyRanking
    /// Every enrolled or heard agent, ascending by name.
    func agents(of tenant: TenantID) throws -> [AgentSummary]
    /// One line per agent, epoch and lane, ascending.
    func ledger(of tenant: TenantID) throws -> [LedgerLine]
}

extension TenantSources {
    package func metricFamilies(of tenant: TenantID) throws -> [String: MetricMetadata] { [:] }
}

/// Where pushed samples of one tenant go.
package protocol SampleSink: Sendable {
    var series: PushedSeries { get }
    /// Milliseconds; samples outside are refused.
    var writableTimes: ClosedRange<Int64> { get }
    var limits: TenantLimits { get }
    /// Room for further series.
    var seriesRemaining: Int { get }
    /// Whether the tenant may send now.
    /// - Throws: ``PushError/rate(perSecond:afterSeconds:)``.
    func checkRate() throws
    /// Returns when the samples are durable: all or, when it throws, none. Blocks.
    /// - Throws: ``PushError``, then the same may come again later; what the store throws.
    func write(_ samples: SampleWrite) throws
    /// The same without waiting for others.
    /// - Parameter done: called once, on any thread.
    func write(_ samples: SampleWrite, _ done: @escaping @Sendable (Result<Void, any Error>) -> Void)
    /// Keeps what is said of metric families. Blocks when it is news.
    func note(_ families: [MetricMetadata]) throws
}

extension SampleSink {
    package func note(_ families: [MetricMetadata]) throws {}
}

package enum PushError: Error {
    /// The tenant's queue is full.
    case busy
    /// More samples per second than the tenant may send; come again after so many seconds.
    case rate(perSecond: Int, afterSeconds: Int)
}

/// Whether the program can do its work, for `/readyz`.
package struct Readiness: Sendable, Hashable {
    /// Empty when it can; else what it waits for, one short sentence each.
    package var problems: [String]
    package init(problems: [String] = []) { self.problems = problems }
}

/// All that the routes need. `AggregatorCore` makes one.
package struct APIDependencies: Sendable {
    package var sources: any TenantSources
    package var access: AccessStore
    package var enrolment: EnrolmentService
    package var live: LiveFeed
    package var tickets: TicketOffice
    package var pool: BlockingPool
    /// Where queries and where pushes block, so that neither holds up the other or the rest; ``pool`` unless set.
    package var queryPool: BlockingPool
    package var pushPool: BlockingPool
    /// The time, for what outlives a request.
    package var now: @Sendable () -> Timestamp = { .distantPast }
    /// Called for each `/readyz`; must not block.
    package var readiness: @Sendable () -> Readiness
    /// Verifies a signed manifest and publishes it; returns its version.
    /// - Throws: ``AccessError`` with `invalid`, `refused` or `notFound` for what the sender can mend.
    package var publishManifest: @Sendable (_ record: [UInt8], _ tenant: TenantID) throws -> UInt64
    /// Verifies a signed command and sends it; returns its id.
    /// - Throws: as ``publishManifest``.
    package var sendCommand: @Sendable (_ record: [UInt8], _ agent: AgentID, _ tenant: TenantID) throws -> ID128

    /// A tenant's recording and alerting rules; must not block.
    package var rules: @Sendable (_ tenant: TenantID) -> RuleStanding = { _ in RuleStanding() }
    /// Has every tenant's rule files read again; must not block.
    package var reloadRules: @Sendable () -> Void = {}

    package init(
        sources: any TenantSources, access: AccessStore, enrolment: EnrolmentService, live: LiveFeed,
        tickets: TicketOffice, pool: BlockingPool, readiness: @escaping @Sendable () -> Readiness,
        publishManifest: @escaping @Sendable (_ record: [UInt8], _ tenant: TenantID) throws -> UInt64,
        sendCommand: @escaping @Sendable (_ record: [UInt8], _ agent: AgentID, _ tenant: TenantID) throws -> ID128
    ) {
        self.sources = sources
        self.access = access
        self.enrolment = enrolment
        self.live = live
        self.tickets = tickets
        self.pool = pool
        queryPool = pool
        pushPool = pool
        self.readiness = readiness
        self.publishManifest = publishManifest
        self.sendCommand = sendCommand
    }
}
