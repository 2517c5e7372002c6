package import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
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
    healthRoutes(dependencies, metrics: metrics, isLoopback: configuration.isLoopback)
        + fleetRoutes(dependencies)
        + seriesRoutes(dependencies)
        + exportRoutes(dependencies)
        + liveRoutes(dependencies)
        + enrolmentRoutes(dependencies, perSecond: configuration.enrolmentsPerSecond, time: time)
        + adminRoutes(dependencies)
}

package func makeRouter(
    _ dependencies: APIDependencies, configuration: APIConfiguration, metrics: OwnMetrics, time: any TimeSource
) throws -> Router<APIContext> {
    let router = Router(context: APIContext.self, options: [.autoGenerateHeadEndpoints])
    router.add(middleware: ProblemMiddleware(isTLS: configuration.tls != nil))
    let gate = Gate(access: dependencies.access, tickets: dependencies.tickets, pool: dependencies.pool)
    for route in makeRoutes(dependencies, configuration: configuration, metrics: metrics, time: time) {
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

/// The HTTP server; run it with `runService()` or within a service group.
/// - Parameter onRunning: gets the port once it listens.
/// - Throws: ``Problem`` when it would listen beyond loopback without TLS; errors of reading the PEM files.
package func makeApplication(
    _ dependencies: APIDependencies, configuration: APIConfiguration, metrics: OwnMetrics, time: any TimeSource,
    logger: Logger, onRunning: @escaping @Sendable (Int) -> Void = { _ in }
) throws -> Application<RouterResponder<APIContext>> {
    guard configuration.tls != nil || configuration.isLoopback else {
        throw Problem(
            .invalidRequest, "refusing to listen on \(configuration.host) without TLS: give a certificate and key")
    }
    var server = HTTPServerBuilder.http1()
    if let files = configuration.tls {
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(files.certificatePath).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: files.keyPath, format: .pem)))
        tls.minimumTLSVersion = .tlsv13
        server = try .tls(server, tlsConfiguration: tls)
    }
    let live = dependencies.live
    var application = Application(
        router: try makeRouter(dependencies, configuration: configuration, metrics: metrics, time: time),
        server: server,
        configuration: ApplicationConfiguration(address: .hostname(configuration.host, port: configuration.port)),
        onServerRunning: { channel in onRunning(channel.localAddress?.port ?? 0) }, logger: logger)
    application.addServices(LiveFeedCloser(live: live))
    return application
}
