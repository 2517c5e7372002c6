package import Hummingbird
package import PromQL
package import RuntimeSupport

/// How the API listens.
package struct APIConfiguration: Sendable {
    package var host: String
    /// 0 picks a free one; `onRunning` tells which.
    package var port: Int
    /// PEM files; nil: no TLS, for loopback only.
    package var tls: (certificatePath: String, keyPath: String)?
    /// The dashboard's files; nil: no pages.
    package var webRoot: String?
    /// Debian's dygraphs.
    package var dygraphsRoot: String
    /// Enrolment requests per address.
    package var enrolmentsPerSecond: Double
    /// This program's.
    package var version = ""
    /// What of the language is taken beside its stable part.
    package var language = ParserOptions.stable
    /// Event loops; nil: by the number of cores.
    package var loops: Int?

    package init(
        host: String = "127.0.0.1", port: Int = 8428, tls: (certificatePath: String, keyPath: String)? = nil,
        webRoot: String? = nil, dygraphsRoot: String = "/usr/share/javascript/dygraphs",
        enrolmentsPerSecond: Double = 1
    ) {
        self.host = host
        self.port = port
        self.tls = tls
        self.webRoot = webRoot
        self.dygraphsRoot = dygraphsRoot
        self.enrolmentsPerSecond = enrolmentsPerSecond
    }

    var isLoopback: Bool { ["127.0.0.1", "::1", "localhost"].contains(host) }
}

/// Every route, in the order of the documentation.
package func makeRoutes(
    _ dependencies: APIDependencies, configuration: APIConfiguration, metrics: OwnMetrics, time: any TimeSource
) -> [Route] {
    makeRoutes(dependencies, SharedParts(dependencies), configuration: configuration, metrics: metrics, time: time)
}

/// What the usual routes share with those that answer directly.
struct SharedParts: Sendable {
    let bounds: QueryBounds
    let pushes: PushReceiver

    init(_ dependencies: APIDependencies) {
        bounds = QueryBounds(dependencies)
        pushes = PushReceiver(dependencies)
    }
}

func makeRoutes(
    _ dependencies: APIDependencies, _ shared: SharedParts, configuration: APIConfiguration, metrics: OwnMetrics,
    time: any TimeSource
) -> [Route] {
    let bounds = shared.bounds
    return healthRoutes(dependencies, metrics: metrics, isLoopback: configuration.isLoopback)
        + fleetRoutes(dependencies)
        + findingRoutes(dependencies)
        + anomalyRoutes(dependencies, bounds)
        + seriesRoutes(dependencies)
        + queryRoutes(dependencies, bounds, language: configuration.language)
        + federationRoutes(dependencies, bounds)
        + remoteReadRoutes(dependencies, bounds)
        + statusRoutes(dependencies, version: configuration.version)
        + deletionRoutes(dependencies)
        + ruleRoutes(dependencies)
        + compatibilityRoutes(dependencies, startedAt: time.now)
        + pushRoutes(shared.pushes)
        + exportRoutes(dependencies)
        + liveRoutes(dependencies)
        + enrolmentRoutes(dependencies, perSecond: configuration.enrolmentsPerSecond, time: time)
        + adminRoutes(dependencies)
}

package func makeRouter(
    _ dependencies: APIDependencies, configuration: APIConfiguration, metrics: OwnMetrics, time: any TimeSource
) throws -> Router<APIContext> {
    try makeRouter(
        dependencies, SharedParts(dependencies), configuration: configuration, metrics: metrics, time: time)
}

func makeRouter(
    _ dependencies: APIDependencies, _ shared: SharedParts, configuration: APIConfiguration, metrics: OwnMetrics,
    time: any TimeSource
) throws -> Router<APIContext> {
    let router = Router(context: APIContext.self, options: [.autoGenerateHeadEndpoints])
    router.add(middleware: GzipMiddleware())
    router.add(middleware: ProblemMiddleware(isTLS: configuration.tls != nil))
    let gate = Gate(access: dependencies.access, tickets: dependencies.tickets, pool: dependencies.pool)
    for route in makeRoutes(dependencies, shared, configuration: configuration, metrics: metrics, time: time) {
        router.on(RouterPath(route.path), method: route.method) { request, context in
            metrics.add("stagebox_http_requests_total")
            let query = try Query(request.uri.query)
            return try await route.handle(gate.admit(request, context, route, query: query, now: time.now))
        }
    }
    if let webRoot = configuration.webRoot {
        try StaticFiles(webRoot: webRoot, dygraphsRoot: configuration.dygraphsRoot).register(on: router)
    }
    return router
}
