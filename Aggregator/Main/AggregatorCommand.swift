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

    @Option(help: "Settings file (YAML); /etc/stagebox-aggregator/aggregator.yaml if it is there. See --settings.")
    var config: String?

    @Flag(help: "Print every setting that the file and the environment may hold.")
    var settings = false

    @Option(help: "Where everything is kept.")
    var dataDir: String?

    @Option(help: "Address of the HTTP API and the dashboard; anything but loopback speaks TLS 1.3.")
    var httpHost: String?

    @Option(help: "Port of the HTTP API; 0 takes a free one.")
    var httpPort: String?

    @Option(help: "Folder of the dashboard's pages; \"none\" serves no pages.")
    var webRoot: String?

    @Option(help: "Address that the broker listens on.")
    var brokerHost: String?

    @Option(help: "Port of the broker (MQTT 5 over TLS 1.3).")
    var brokerPort: String?

    @Option(help: "A name or address that agents reach this machine by; repeat for more. The certificate is for them.")
    var publicHost: [String] = []

    @Option(help: "HOST or HOST:PORT of the broker as told to agents; else the host they enrol by, and --broker-port.")
    var brokerAddress: String?

    @Option(help: "A tenant to make if it is missing; repeat for more.")
    var tenant: [String] = []

    @Option(help: "Days that samples are kept, or \"off\" to keep all (samples of any time are then accepted).")
    var retention: String?

    @Flag(help: "Take the parts of PromQL that Prometheus calls experimental, too.")
    var promqlExperimental = false

    @Option(help: "debug, info, warning or error.")
    var logLevel: String?

    func validate() throws {
        guard !settings else { return }
        do { _ = try makeConfiguration() } catch let error as SettingsError {
            // What the file or the environment says wrong is no bad usage: run() tells.
            if error.source == AggregatorSettings.flagSource { throw ValidationError("\(error)") }
        }
    }

    /// sysexits.h, EX_CONFIG: the service's unit does not try again.
    private static let badSettings: Int32 = 78

    private func makeConfiguration() throws -> AggregatorConfiguration {
        var flags: [(key: String, value: String)] = []
        let single = [
            ("data-dir", dataDir), ("http.host", httpHost), ("http.port", httpPort), ("web-root", webRoot),
            ("broker.host", brokerHost), ("broker.port", brokerPort), ("broker.address", brokerAddress),
            ("retention", retention), ("log-level", logLevel),
        ]
        for (key, value) in single { if let value { flags.append((key, value)) } }
        for (key, values) in [("public-hosts", publicHost), ("tenants", tenant)] where !values.isEmpty {
            flags.append((key, values.joined(separator: ",")))
        }
        return try AggregatorSettings.configuration(
            file: settingsFile(), environment: ProcessInfo.processInfo.environment, flags: flags)
    }

    private func settingsFile() throws -> SettingsDocument? {
        let path = config ?? AggregatorSettings.standardPath
        guard config != nil || FileManager.default.fileExists(atPath: path) else { return nil }
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw SettingsError(
                source: path, line: 0, key: "", problem: "cannot be read: \(error.localizedDescription)")
        }
        return try SettingsDocument(text, source: path)
    }

    private func makeLogger(_ level: String) -> Logger {
        var logger = Logger(label: "stagebox.aggregator") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: level) ?? .info
        return logger
    }

    func run() async throws {
        guard !settings else { return print(AggregatorSettings.documentation) }
        var configuration: AggregatorConfiguration
        do { configuration = try makeConfiguration() } catch let error as SettingsError {
            FileHandle.standardError.write(Data("stagebox-aggregator: \(error)\n".utf8))
            throw ExitCode(Self.badSettings)
        }
        if promqlExperimental { configuration.allowsExperimentalQueries = true }
        let logger = makeLogger(configuration.logLevel)
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
