package import RuntimeSupport
import Store
import Telemetry

/// The aggregator's settings by name, as they stand in its YAML file, in the environment and on the command line.
///
/// Later ones win: file, environment, flags. Lists are separated by commas.
package struct AggregatorSettings {
    /// One key: what it means, and how its text becomes part of the configuration.
    package struct Key: Sendable {
        package let name: String
        package let type: String
        package let standard: String
        package let meaning: String
        /// - Returns: what is wrong with the text; nil when it was taken.
        fileprivate let apply: @Sendable (inout AggregatorConfiguration, String) -> String?

        /// `STAGEBOX_AGGREGATOR_HTTP_PORT` for `http.port`, and so on.
        package var environmentName: String {
            name == "parallel-workers"
                ? "PARALLEL_WORKERS"
                : "STAGEBOX_AGGREGATOR_"
                    + String(name.map { $0 == "." || $0 == "-" ? "_" : Character($0.uppercased()) })
        }
    }

    package static let standardPath = "/etc/stagebox-aggregator/aggregator.yaml"
    /// The source of ``SettingsError``s that a flag caused.
    package static let flagSource = "command line"
    static let logLevels = ["debug", "info", "warning", "error"]

    package static let keys: [Key] = [
        Key(
            name: "data-dir", type: "path", standard: "/var/lib/stagebox-aggregator",
            meaning: "where everything is kept"
        ) {
            $0.dataDirectory = $1
            return $1.isEmpty ? "name a folder" : nil
        },
        Key(
            name: "http.host", type: "address", standard: "127.0.0.1",
            meaning: "of the HTTP API and the dashboard; anything but loopback speaks TLS 1.3"
        ) {
            $0.httpHost = $1
            return nil
        },
        Key(name: "http.port", type: "0 to 65535", standard: "8480", meaning: "0 takes a free one") {
            configuration, text in
            guard let port = UInt16(text) else { return "use 0 to 65535" }
            configuration.httpPort = Int(port)
            return nil
        },
        Key(
            name: "web-root", type: "path or none", standard: "/usr/share/stagebox/dashboard",
            meaning: "the dashboard's pages"
        ) {
            $0.webRoot = $1 == "none" ? nil : $1
            return nil
        },
        Key(name: "broker.host", type: "address", standard: "127.0.0.1", meaning: "that the broker listens on") {
            $0.brokerHost = $1
            return nil
        },
        Key(
            name: "broker.port", type: "1 to 65535", standard: "8883", meaning: "of the broker (MQTT 5 over TLS 1.3)"
        ) { configuration, text in
            guard let port = UInt16(text), port > 0 else { return "use 1 to 65535" }
            configuration.brokerPort = port
            return nil
        },
        Key(
            name: "broker.address", type: "HOST or HOST:PORT", standard: "the host that agents enrol by",
            meaning: "of the broker as told to agents"
        ) { configuration, text in
            guard let address = BrokerAddress(text) else { return "use HOST or HOST:PORT" }
            configuration.brokerAddress = address
            return nil
        },
        Key(
            name: "public-hosts", type: "list", standard: "none",
            meaning: "names and addresses that agents reach this machine by; the certificate is for them"
        ) {
            $0.publicHosts = list($1)
            return nil
        },
        Key(name: "tenants", type: "list", standard: "none", meaning: "made if they are missing") {
            $0.tenants = list($1)
            return nil
        },
        Key(
            name: "retention", type: "days, off, or raw=…,5m=…,1h=…", standard: "raw=400d,5m=2y,1h=5y",
            meaning: "how long samples and rollups are kept; with off samples of any time are taken"
        ) { configuration, text in
            do { configuration.retention = try RetentionPolicy(parsing: text) } catch { return "\(error)" }
            return nil
        },
        Key(
            name: "parallel-workers", type: "1 to 64", standard: "8",
            meaning: "threads that open batches; no more than the machine has cores are started"
        ) { configuration, text in
            guard let workers = Int(text), (1...64).contains(workers) else { return "use 1 to 64" }
            configuration.parallelWorkers = workers
            return nil
        },
        Key(
            name: "promql.experimental", type: "on or off", standard: "off",
            meaning: "queries and rules may use what Prometheus calls experimental"
        ) { configuration, text in
            guard let isOn = SettingValue.boolean(text) else { return "use on or off" }
            configuration.allowsExperimentalQueries = isOn
            return nil
        },
        Key(
            name: "fleet.detection", type: "on or off", standard: "on",
            meaning: "each minute compares nodes with their peers and records how much is anomalous"
        ) { configuration, text in
            guard let isOn = SettingValue.boolean(text) else { return "use on or off" }
            configuration.judgesFleet = isOn
            return nil
        },
        Key(name: "log-level", type: "debug, info, warning, error", standard: "info", meaning: "what is logged") {
            $0.logLevel = $1
            return logLevels.contains($1) ? nil : "use debug, info, warning or error"
        },
    ]

    /// Every key for people.
    package static var documentation: String {
        let lines =
            keys.map { "\($0.name) (\($0.type); default: \($0.standard)): \($0.meaning)" }
            + ForwardSettings.keys.map {
                "\(forwardPrefix)TENANT.\($0.name) (\($0.type); default: \($0.standard)): \($0.meaning)"
            }
        return
            (lines + [
                "",
                "Environment variables override the file: STAGEBOX_AGGREGATOR_HTTP_PORT for http.port, and so on, and",
                "PARALLEL_WORKERS. Flags override both. A tenant's samples are handed on by a section of the file,",
                "remote-write.TENANT: with the keys below it.",
            ]).joined(separator: "\n")
    }

    /// - Parameters:
    ///   - file: nil when there is none.
    ///   - environment: only variables of ``keys`` are looked at; empty ones count as unset.
    ///   - flags: key names with values, as given on the command line.
    /// - Throws: the first text that cannot be used, with its place.
    package static func configuration(
        file: SettingsDocument?, environment: [String: String], flags: [(key: String, value: String)]
    ) throws(SettingsError) -> AggregatorConfiguration {
        var configuration = AggregatorConfiguration(dataDirectory: "/var/lib/stagebox-aggregator")
        configuration.webRoot = "/usr/share/stagebox/dashboard"
        if let file {
            for name in file.keys {
                if name.hasPrefix(forwardPrefix) {
                    try applyForwarding(name, file, &configuration)
                    continue
                }
                guard let key = keys.first(where: { $0.name == name }) else {
                    throw file.error(name, "is not a setting; known are \(keys.map(\.name).joined(separator: ", "))")
                }
                if let problem = key.apply(&configuration, file.entries[name]?.value ?? "") {
                    throw file.error(name, problem)
                }
            }
        }
        for (tenant, settings) in configuration.forwarding {
            guard let (key, problem) = settings.problem, let file else { continue }
            throw file.error("\(forwardPrefix)\(tenant).\(key)", problem)
        }
        for key in keys {
            guard let text = environment[key.environmentName], !text.isEmpty else { continue }
            try apply(key, text, &configuration, source: "environment", name: key.environmentName)
        }
        for flag in flags {
            guard let key = keys.first(where: { $0.name == flag.key }) else { continue }
            try apply(key, flag.value, &configuration, source: flagSource, name: flag.key)
        }
        return configuration
    }

    static let forwardPrefix = "remote-write."

    /// `remote-write.<tenant>.<key>`; a tenant's name may hold dots, a key's does not.
    private static func applyForwarding(
        _ name: String, _ file: SettingsDocument, _ configuration: inout AggregatorConfiguration
    ) throws(SettingsError) {
        let rest = name.dropFirst(forwardPrefix.count)
        guard let dot = rest.lastIndex(of: "."), let tenant = TenantID(rawValue: String(rest[..<dot])) else {
            throw file.error(name, "is not a setting; write remote-write.TENANT: and its keys below it")
        }
        guard let key = ForwardSettings.keys.first(where: { $0.name == rest[rest.index(after: dot)...] }) else {
            let known = ForwardSettings.keys.map(\.name).joined(separator: ", ")
            throw file.error(name, "is not a setting; below remote-write.TENANT known are \(known)")
        }
        var settings = configuration.forwarding[tenant] ?? ForwardSettings()
        if let problem = key.apply(&settings, file.entries[name]?.value ?? "") { throw file.error(name, problem) }
        configuration.forwarding[tenant] = settings
    }

    private static func apply(
        _ key: Key, _ text: String, _ configuration: inout AggregatorConfiguration, source: String, name: String
    ) throws(SettingsError) {
        guard let problem = key.apply(&configuration, text) else { return }
        throw SettingsError(source: source, line: 0, key: name, value: text, problem: problem)
    }

    private static func list(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.drop { $0 == " " } }.map { part in
            var part = part
            while part.last == " " { part.removeLast() }
            return String(part)
        }.filter { !$0.isEmpty }
    }
}
