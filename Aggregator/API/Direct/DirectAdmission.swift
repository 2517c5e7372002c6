import Access
import HTTPTypes
import Hummingbird
import Logging
import PlainHTTP
import PromQL
import Telemetry

/// Finds whose a plain request is, as ``Gate`` does.
struct DirectAdmission: Sendable {
    private let access: AccessStore
    private let pool: BlockingPool

    init(_ dependencies: APIDependencies) {
        access = dependencies.access
        pool = dependencies.pool
    }

    /// - Returns: nil without a bearer token.
    func token(_ request: PlainRequest) -> String? {
        guard let parts = request.authorization?.split(separator: " ", maxSplits: 1), parts.count == 2,
            parts[0].lowercased() == "bearer"
        else { return nil }
        return String(parts[1])
    }

    /// Whether a token that was found good lately is one of the audience's; nil: it has to be looked up.
    func isAdmitted(_ token: String, _ audience: Route.Audience, now: Timestamp) -> Bool? {
        access.admitted(token, now: now).map { Self.isOne($0, of: audience) }
    }

    /// Looks a token up on the blocking pool, after which it counts as found good for a while.
    /// - Returns: false when too much waits; then nothing is handed on.
    func lookUp(
        _ token: String, _ audience: Route.Audience, now: Timestamp, _ use: @escaping @Sendable (Bool) -> Void
    ) -> Bool {
        let access = access
        return pool.start {
            // Whatever is wrong is told by the usual way, which looks again.
            let principal = try? access.authenticate(token, now: now)
            use(principal.map { Self.isOne($0, of: audience) } ?? false)
        }
    }

    private static func isOne(_ principal: Principal, of audience: Route.Audience) -> Bool {
        guard principal.tenant != nil else { return false }
        do { try Gate.check(principal, audience) } catch { return false }
        return true
    }

    /// Hands on the tenant, or a ``Problem``: at once when the token was found good lately, else from the blocking pool.
    /// - Returns: false when too much waits; then nothing is handed on.
    func tenant(
        _ token: String, _ audience: Route.Audience, now: Timestamp,
        _ use: @escaping @Sendable (Result<TenantID, any Error>) -> Void
    ) -> Bool {
        if let principal = access.admitted(token, now: now) {
            use(Result { try Self.tenant(of: principal, audience) })
            return true
        }
        let access = access
        return pool.start {
            use(
                Result {
                    guard let principal = try access.authenticate(token, now: now) else { throw Gate.unauthenticated }
                    return try Self.tenant(of: principal, audience)
                })
        }
    }

    private static func tenant(of principal: Principal, _ audience: Route.Audience) throws -> TenantID {
        try Gate.check(principal, audience)
        guard let tenant = principal.tenant else {
            throw Problem(.invalidRequest, "this token spans the installation: add ?tenant=<name>")
        }
        return tenant
    }
}

extension DirectAnswer {
    /// What a failure is answered with, as ``PrometheusError`` and ``ProblemMiddleware`` do it.
    static func to(_ error: any Error, _ request: PlainRequest, _ logger: Logger) -> DirectAnswer {
        if !request.isPost, let error = PrometheusError(error) {
            return DirectAnswer(
                status: HTTPResponse.Status(code: error.kind.status), type: "application/json",
                retryAfterSeconds: error.kind == .unavailable ? 1 : nil,
                body: ResultEncoder.error(error.kind.name, error.message))
        }
        let known = Problem(error)
        if known == nil {
            logger.error("a request failed", metadata: ["http.path": "\(request.path)", "error": "\(error)"])
        }
        return to(known ?? .failed)
    }

    static func to(_ problem: Problem) -> DirectAnswer {
        DirectAnswer(
            status: problem.kind.status, type: "application/problem+json",
            retryAfterSeconds: problem.retryAfterSeconds, body: problem.encoded)
    }
}
