import Hummingbird
import PromQL
import Store
import Telemetry

/// Runs what reads many samples on the blocking pool, within the tenant's limits: how many at once, how long.
///
/// Queries, federation and remote read share one, so that they count together.
struct QueryBounds: Sendable {
    let sources: any TenantSources
    private let pool: BlockingPool
    private let gate = QueryGate()

    init(_ dependencies: APIDependencies) {
        sources = dependencies.sources
        pool = dependencies.queryPool
    }

    /// - Parameters:
    ///   - timeout: milliseconds that the caller grants; at most what the tenant may take.
    ///   - body: looks at the interruption now and then, and ends with its error.
    /// - Throws: ``PrometheusError`` when too many run already.
    func run<Value: Sendable>(
        _ tenant: TenantID, timeout: Int64? = nil,
        _ body: @escaping @Sendable (TenantLimits, QueryInterruption) throws -> Value
    ) async throws -> Value {
        let limits = try sources.limits(of: tenant)
        let longest = Int64(limits.querySeconds) * 1000
        let ticket = try gate.enter(tenant, max: limits.queries)
        let interruption = QueryInterruption(milliseconds: min(timeout ?? longest, longest))
        return try await withTaskCancellationHandler {
            try await pool.run(for: tenant) { [ticket] in
                defer { ticket.leave() }
                return try body(limits, interruption)
            }
        } onCancel: {
            interruption.cancel()
        }
    }

    /// As ``run(_:timeout:_:)``, without waiting.
    /// - Parameter body: returns what is to be done once the query no longer counts as running.
    /// - Returns: what ends the query early.
    /// - Throws: ``PrometheusError`` when too many run already, ``Problem/busy``; then `body` is not called.
    func start(
        _ tenant: TenantID, timeout: Int64?,
        _ body: @escaping @Sendable (TenantLimits, QueryInterruption) -> @Sendable () -> Void
    ) throws -> QueryInterruption {
        let limits = try sources.limits(of: tenant)
        let longest = Int64(limits.querySeconds) * 1000
        let ticket = try gate.enter(tenant, max: limits.queries)
        let interruption = QueryInterruption(milliseconds: min(timeout ?? longest, longest))
        let isAccepted = start(tenant) {
            let finish = body(limits, interruption)
            ticket.leave()
            finish()
        }
        guard isAccepted else { throw Problem.busy }
        return interruption
    }

    /// Has something done where it may block.
    /// - Returns: false when too much waits; then it is never done.
    func start(_ tenant: TenantID, _ job: @escaping @Sendable () -> Void) -> Bool { pool.start(for: tenant, job) }

    /// Makes a further piece of an answer whose making has begun.
    func piece<Value: Sendable>(
        _ tenant: TenantID, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await pool.run(for: tenant, body)
    }
}
