import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
import NIOCore
import PlainHTTP
package import RuntimeSupport
import ServiceLifecycle
import UnixSignals

/// The HTTP server: HTTP/1.1, TLS 1.3 where it is not on loopback.
package struct APIServer: Sendable {
    private let listener: HTTPListener
    private let logger: Logger

    /// - Parameter onRunning: gets the port once it listens.
    /// - Throws: ``Problem`` when it would listen beyond loopback without TLS or finds no dashboard in the web root;
    ///   errors of reading the PEM files.
    package init(
        _ dependencies: APIDependencies, configuration: APIConfiguration, metrics: OwnMetrics, time: any TimeSource,
        logger: Logger, onRunning: @escaping @Sendable (Int) -> Void = { _ in }
    ) throws {
        guard configuration.tls != nil || configuration.isLoopback else {
            throw Problem(
                .invalidRequest, "refusing to listen on \(configuration.host) without TLS: give a certificate and key")
        }
        let shared = SharedParts(dependencies)
        let router = try makeRouter(dependencies, shared, configuration: configuration, metrics: metrics, time: time)
        let queries = DirectQueries(
            dependencies, shared.bounds, language: configuration.language, metrics: metrics, time: time,
            logger: logger)
        let pushes = DirectPushes(dependencies, shared.pushes, metrics: metrics, time: time, logger: logger)
        let (date, connections) = (HTTPDate(), OpenConnections())
        let channel = DirectChannel(
            route: { $0.isPost ? pushes.route($0) : queries.route($0) },
            prefixes: [DirectQueries.prefix, DirectPushes.prefix],
            usual: HTTP1Channel(router.buildResponder(), date: date, logger: logger), connections: connections,
            isTLS: configuration.tls != nil, date: date)
        let open = try Self.opening(channel, configuration, logger)
        self.logger = logger
        listener = HTTPListener(
            address: (configuration.host, configuration.port), openConnection: open, connections: connections,
            loops: configuration.loops ?? HTTPListener.usualLoops, onRunning: onRunning,
            onRefused: { metrics.add("stagebox_http_connections_refused_total") },
            onShutdown: { dependencies.live.close() })
    }

    /// What is done with a fresh connection.
    private static func opening(
        _ channel: DirectChannel, _ configuration: APIConfiguration, _ logger: Logger
    ) throws -> @Sendable (any Channel) -> EventLoopFuture<Void> {
        guard let files = configuration.tls else {
            return { connection in channel.setup(channel: connection, logger: logger).map { _ in } }
        }
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(files.certificatePath).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: files.keyPath, format: .pem)))
        tls.minimumTLSVersion = .tlsv13
        let secured = try TLSChannel(channel, tlsConfiguration: tls)
        return { connection in secured.setup(channel: connection, logger: logger).map { _ in } }
    }

    /// Serves until the task is cancelled; open requests are broken off then.
    package func run() async throws { try await listener.run() }

    /// Serves until SIGTERM or SIGINT, then finishes the open requests and ends the live streams.
    package func runUntilSignalled() async throws {
        try await ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [listener], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        ).run()
    }
}
