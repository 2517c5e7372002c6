import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
package import RuntimeSupport

/// The HTTP server: HTTP/1.1, TLS 1.3 where it is not on loopback.
package struct APIServer: Sendable {
    private let application: Application<RouterResponder<APIContext>>

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
        var server = HTTPServerBuilder.http1()
        if let files = configuration.tls {
            var tls = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(files.certificatePath).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: files.keyPath, format: .pem)))
            tls.minimumTLSVersion = .tlsv13
            server = try .tls(server, tlsConfiguration: tls)
        }
        var application = Application(
            router: try makeRouter(dependencies, configuration: configuration, metrics: metrics, time: time),
            server: server,
            configuration: ApplicationConfiguration(address: .hostname(configuration.host, port: configuration.port)),
            onServerRunning: { channel in onRunning(channel.localAddress?.port ?? 0) }, logger: logger)
        application.addServices(LiveFeedCloser(live: dependencies.live))
        self.application = application
    }

    /// Serves until the task is cancelled; open requests are broken off then.
    package func run() async throws { try await application.run() }

    /// Serves until SIGTERM or SIGINT, then finishes the open requests and ends the live streams.
    package func runUntilSignalled() async throws { try await application.runService() }
}
