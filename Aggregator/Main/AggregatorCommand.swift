import AggregatorCore
import ArgumentParser
import Foundation
import Logging
import RuntimeSupport
import Telemetry

/// `stagebox-aggregator`: flags in, one `make` call, run until told to end.
@main
struct AggregatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stagebox-aggregator",
        abstract: "The central service of Stagebox: MQTT in, HTTP API and dashboard out.")

    @Option(help: "Where everything is kept.")
    var dataDir = "/var/lib/stagebox-aggregator"

    @Option(help: "Address of the HTTP API and the dashboard; anything but loopback speaks TLS 1.3.")
    var httpHost = "127.0.0.1"

    @Option(help: "Port of the HTTP API; 0 takes a free one.")
    var httpPort = 8480

    @Option(help: "Folder of the dashboard's pages; \"none\" serves no pages.")
    var webRoot = "/usr/share/stagebox/dashboard"

    @Option(help: "Address that the broker listens on.")
    var brokerHost = "127.0.0.1"

    @Option(help: "Port of the broker (MQTT 5 over TLS 1.3).")
    var brokerPort: UInt16 = 8883

    @Option(help: "A name or address that agents reach this machine by; repeat for more. The certificate is for them.")
    var publicHost: [String] = []

    @Option(help: "HOST or HOST:PORT of the broker as told to agents; else the host they enrol by, and --broker-port.")
    var brokerAddress: String?

    @Option(help: "A tenant to make if it is missing; repeat for more.")
    var tenant: [String] = []

    @Option(help: "Days that samples are kept, or \"off\" to keep all (samples of any time are then accepted).")
    var retention: String?

    @Option(help: "debug, info, warning or error.")
    var logLevel = "info"

    func validate() throws {
        guard (0...65_535).contains(httpPort) else { throw ValidationError("--http-port \(httpPort) is not a port") }
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("--log-level \"\(logLevel)\": use debug, info, warning or error")
        }
        if let brokerAddress, BrokerAddress(brokerAddress) == nil {
            throw ValidationError("--broker-address \"\(brokerAddress)\": use HOST or HOST:PORT")
        }
        _ = try retentionDays()
    }

    private func retentionDays() throws -> Int? {
        guard let retention else { return nil }
        if retention == "off" { return 1_000_000 }
        guard let days = Int(retention), (1...36_500).contains(days) else {
            throw ValidationError("--retention \"\(retention)\": use 1 to 36500 days, or off")
        }
        return days
    }

    private func makeLogger() -> Logger {
        var logger = Logger(label: "stagebox.aggregator") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
        return logger
    }

    func run() async throws {
        let logger = makeLogger()
        var configuration = AggregatorConfiguration(
            dataDirectory: dataDir, httpHost: httpHost, httpPort: httpPort, webRoot: webRoot == "none" ? nil : webRoot,
            brokerHost: brokerHost, brokerPort: brokerPort, publicHosts: publicHost,
            brokerAddress: brokerAddress.flatMap { BrokerAddress($0) }, tenants: tenant)
        configuration.metricsRetentionDays = try retentionDays()
        if let text = ProcessInfo.processInfo.environment["PARALLEL_WORKERS"] {
            guard let workers = Int(text), (1...64).contains(workers) else {
                throw ValidationError("PARALLEL_WORKERS=\"\(text)\": use 1 to 64")
            }
            configuration.parallelWorkers = workers
        }
        let aggregator = try Aggregator.make(configuration: configuration, logger: logger)
        let watchdog = ServiceManager.watchdogMilliseconds
        try await aggregator.run(
            onRunning: { port in
                var metadata: Logger.Metadata = ["http.port": "\(port)"]
                if let hash = aggregator.httpKeyHash { metadata["http.key.sha256"] = "\(hash)" }
                logger.info("listening", metadata: metadata)
                ServiceManager.notify("READY=1")
            },
            heartbeat: watchdog.map { watchdog in
                // Two beats within the time that systemd waits for one.
                (everyMilliseconds: max(1, watchdog / 2), beat: { ServiceManager.notify("WATCHDOG=1") })
            })
        ServiceManager.notify("STOPPING=1")
    }
}
