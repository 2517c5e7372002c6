import RuntimeSupport
import Telemetry

/// One key of the agent's settings: how it is documented and how it is read.
package struct SettingKey: Sendable {
    package let name: String
    package let type: String
    package let standard: String
    package let range: String
    package let meaning: String
    /// Whether a signed manifest may set it, as far as the guard file lets it.
    package let isRemote: Bool
    /// - Returns: what is wrong with the value; nil if it was taken.
    let read: @Sendable (_ value: String, _ settings: inout AgentSettings) -> String?

    /// The name of the environment variable that overrides it.
    package var environmentName: String {
        "STAGEBOX_" + String(name.uppercased().map { $0 == "-" || $0 == "." ? "_" : $0 })
    }
}

extension AgentSettings {
    /// Names with a fixed place in the product, beside `STAGEBOX_…`.
    package static let environmentNames = [
        "METRICS_BUFFER_SIZE": "intake.records-max", "ANOMALY_DETECTION_THRESHOLD": "anomaly-threshold",
    ]
    /// Where an agent's own manifest says which groups it is in.
    package static let groupsKey = "groups"
    /// Keys of this section are collectors' names, each `on`, `off` or an interval.
    package static let collectorSection = "collectors."
    static let collectorIntervals: ClosedRange<Int64> = 100...3_600_000

    /// The default may be missing; a file that is named must be there.
    package static let guardFileKey = path(
        "guard-file", \.guardFilePath, "what remote configuration may never do here; must exist if it is named")

    package static let keys: [SettingKey] =
        [
            text("broker.host", \.brokerHost, standard: "as enrolled", isRemote: true, "the broker's name or address"),
            SettingKey(
                name: "broker.port", type: "number", standard: "as enrolled", range: "1 to 65535",
                meaning: "the broker's port", isRemote: true
            ) { value, settings in
                guard let port = UInt16(value), port > 0 else { return "is not a port; use 1 to 65535" }
                settings.brokerPort = port
                return nil
            },
            SettingKey(
                name: "broker.tls", type: "on or off", standard: "as enrolled", range: "",
                meaning: "TLS 1.3; off works on loopback only", isRemote: false
            ) { value, settings in
                guard let isOn = SettingValue.boolean(value) else { return "is neither on nor off" }
                settings.brokerTLS = isOn
                return nil
            },
            text(
                "broker.ca", \.brokerCAPath, standard: "as enrolled", isRemote: false, "a PEM file with the fleet's CA"),
            path("data-directory", \.dataDirectory, "where the buffer and the identity are kept"),
            bytes("buffer-bytes-max", \.bufferBytesMax, 8 << 20...64 << 30, isRemote: true, "cap of the buffer file"),
            choice(
                "durability", \.durability, isRemote: true, "full: each commit reaches the disk; normal: within 5 s"),
            duration("flush-interval", \.flushIntervalMilliseconds, 200...60_000, "from samples to sealed rows"),
            duration("collection-interval", \.collectionIntervalMilliseconds, 100...60_000, "between two scrapes"),
            path("proc-root", \.procRoot, "the proc file system to read"),
            path("sys-root", \.sysRoot, "the sys file system to read"),
            SettingKey(
                name: "intake.listen", type: "address:port", standard: AgentSettings().intakeListen,
                range: "loopback only; off for none", meaning: "where applications post events and metrics",
                isRemote: false
            ) { value, settings in
                if value == "off" {
                    settings.intakeListen = ""
                    return nil
                }
                guard isLoopbackEndpoint(value) else {
                    return "is not a loopback address with a port, like 127.0.0.1:9470"
                }
                settings.intakeListen = value
                return nil
            },
            SettingKey(
                name: "intake.socket", type: "path", standard: "off",
                range: "absolute, at most 107 bytes; off for none",
                meaning: "the same over a Unix socket; the service's folder is /run/stagebox-agent",
                isRemote: false
            ) { value, settings in
                if value == "off" {
                    settings.intakeSocketPath = ""
                    return nil
                }
                // sockaddr_un holds 108 bytes with the terminator (unix(7)).
                guard value.hasPrefix("/"), value.utf8.count <= 107 else {
                    return "is not an absolute path of up to 107 bytes"
                }
                settings.intakeSocketPath = value
                return nil
            },
            count(
                "intake.records-max", \.intakeRecordsMax, 1...10_000_000, "records waiting; beyond it the answer is 429"
            ),
            bytes(
                "intake.request-bytes-max", \.intakeRequestBytesMax, 1024...64 << 20, isRemote: false, "a request body"),
            count("intake.connections-max", \.intakeConnectionsMax, 1...10_000, "connections at once"),
            SettingKey(
                name: "detection", type: "on or off", standard: "on", range: "",
                meaning: "judges every sample on the node and tells what is strange", isRemote: false
            ) { value, settings in
                guard let isOn = SettingValue.boolean(value) else { return "is neither on nor off" }
                settings.isDetectionOn = isOn
                return nil
            },
            SettingKey(
                name: "anomaly-threshold", type: "number", standard: "0.1", range: "0 to 0.5",
                meaning: "share of a training window presumed anomalous", isRemote: true
            ) { value, settings in
                guard let share = SettingValue.number(value), (0...0.5).contains(share) else {
                    return "is not a number from 0 to 0.5"
                }
                settings.anomalyThreshold = share
                return nil
            },
            choice("log-level", \.logLevel, isRemote: true, "messages below it are left out"),
            guardFileKey,
            SettingKey(
                name: groupsKey, type: "list", standard: "none", range: "up to \(GroupName.countMax) names",
                meaning: "groups whose manifests apply, later ones over earlier; in the agent's own manifest only",
                isRemote: true
            ) { value, settings in
                guard let groups = GroupName.list(value) else {
                    return "is not a list of up to \(GroupName.countMax) different group names, like edge, canary"
                }
                settings.groups = groups
                return nil
            },
            duration(
                "manifest-link-time", \.manifestLinkMilliseconds, 10_000...3_600_000, isRemote: false,
                "within which a manifest must let the agent connect and be acknowledged, or it is reverted"),
            duration(
                "manifest-bake-time", \.manifestBakeMilliseconds, 5000...3_600_000, isRemote: false,
                "how long a manifest is watched before it is kept"),
        ] + sourceKeys

    static let keysByName = Dictionary(uniqueKeysWithValues: keys.map { ($0.name, $0) })

    /// Reads one value.
    /// - Returns: what is wrong; nil if it was taken.
    mutating func set(_ name: String, _ value: String, knownCollectors: Set<String>) -> String? {
        if let key = Self.keysByName[name] { return key.read(value, &self) }
        if Self.isSourceSection(name) { return setSource(name, value) }
        if name.hasPrefix(Self.ruleSection) { return setRule(name, value) }
        guard name.hasPrefix(Self.collectorSection) else { return "is not a key" + Self.suggestion(for: name) }
        let collector = String(name.dropFirst(Self.collectorSection.count))
        guard knownCollectors.isEmpty || knownCollectors.contains(collector) else {
            return
                "cannot be set: there is no such collector; there are \(knownCollectors.sorted().joined(separator: ", "))"
        }
        if let isOn = SettingValue.boolean(value) {
            collectors[collector, default: CollectorSetting()].isEnabled = isOn
            return nil
        }
        guard let interval = SettingValue.duration(value), Self.collectorIntervals.contains(interval) else {
            return "is neither on, off nor an interval from 100 ms to 60 min"
        }
        collectors[collector] = CollectorSetting(isEnabled: true, intervalMilliseconds: interval)
        return nil
    }

    private static func suggestion(for name: String) -> String {
        let last = name.split(separator: ".").last ?? ""
        let near = keys.map(\.name).filter { $0.hasSuffix(last) || $0.hasPrefix(name.prefix(5)) }.prefix(3)
        return near.isEmpty ? "; see \"stagebox-agent keys\"" : "; did you mean \(near.joined(separator: " or "))?"
    }

    private static func isLoopbackEndpoint(_ text: String) -> Bool {
        LoopbackHost.endpoint(text).map { LoopbackHost.isLoopback($0.host) } ?? false
    }
}
