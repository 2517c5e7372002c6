import Control
import RuntimeSupport
import Telemetry
import Testing

@Suite("settings: the agent's")
struct AgentSettingsTests {
    private func document(_ text: String, _ source: String = "agent.yaml") throws -> SettingsDocument {
        try SettingsDocument(text, source: source)
    }

    private func settings(_ text: String) throws -> AgentSettings {
        try AgentSettings(SettingsLayers(file: try document(text)))
    }

    @Test("an empty file gives the documented defaults")
    func defaults() throws {
        let settings = try settings("")
        #expect(settings == AgentSettings())
        #expect(settings.bufferBytesMax == 256 << 20)
        #expect(settings.flushIntervalMilliseconds == 10_000)
        #expect(settings.intakeRecordsMax == 10_000)
        for key in AgentSettings.keys where key.name != AgentSettings.groupsKey {
            #expect(!key.meaning.isEmpty && !key.standard.isEmpty, "\(key.name)")
            // Each documented default is itself a valid value.
            if key.standard != "as enrolled" {
                #expect(throws: Never.self) {
                    try self.settings("\(key.name.split(separator: ".").count == 2 ? nested(key) : flat(key))")
                }
            }
        }
    }
    private func flat(_ key: SettingKey) -> String { "\(key.name): \(key.standard)" }
    private func nested(_ key: SettingKey) -> String {
        let parts = key.name.split(separator: ".")
        return "\(parts[0]):\n  \(parts[1]): \(key.standard)"
    }

    @Test("every key is read")
    func all() throws {
        let settings = try settings(
            """
            broker:
              host: mqtt.example
              port: 1883
              tls: off
              ca: /etc/ca.pem
            data-directory: /tmp/x
            buffer-bytes-max: 2 GiB
            durability: full
            flush-interval: 200 ms
            collection-interval: 0.5
            collectors:
              cpu: off
              hwmon: 1 min
            proc-root: /p
            sys-root: /s
            intake:
              listen: off
              socket: /tmp/s
              records-max: 5
              request-bytes-max: 64 KiB
              connections-max: 3
            anomaly-threshold: 0.25
            log-level: debug
            guard-file: /g
            manifest-link-time: 20 s
            manifest-bake-time: 10 s
            """)
        var expected = AgentSettings()
        (expected.brokerHost, expected.brokerPort, expected.brokerTLS) = ("mqtt.example", 1883, false)
        expected.brokerCAPath = "/etc/ca.pem"
        (expected.dataDirectory, expected.bufferBytesMax, expected.durability) = ("/tmp/x", 2 << 30, .full)
        (expected.flushIntervalMilliseconds, expected.collectionIntervalMilliseconds) = (200, 500)
        expected.collectors = [
            "cpu": .init(isEnabled: false), "hwmon": .init(isEnabled: true, intervalMilliseconds: 60_000),
        ]
        (expected.procRoot, expected.sysRoot, expected.intakeListen) = ("/p", "/s", "")
        (expected.intakeSocketPath, expected.intakeRecordsMax) = ("/tmp/s", 5)
        (expected.manifestLinkMilliseconds, expected.manifestBakeMilliseconds) = (20_000, 10_000)
        (expected.intakeRequestBytesMax, expected.intakeConnectionsMax) = (65_536, 3)
        (expected.anomalyThreshold, expected.logLevel, expected.guardFilePath) = (0.25, .debug, "/g")
        #expect(settings == expected)
    }

    @Test(
        "a bad value names file, line, key and value",
        arguments: [
            "flush-interval: 0.1", "flush-interval: 61 s", "flush-interval: fast", "flush-interval: -1 s",
            "collection-interval: 5 parsecs", "buffer-bytes-max: 1 MiB", "durability: maybe", "log-level: loud",
            "anomaly-threshold: 0.6", "anomaly-threshold: nan", "data-directory: here", "buffer-bytes-max: 1e30",
            "flush-interval: 99999999999999999999 d", "unknown: 1",
        ])
    func faults(line: String) {
        do {
            _ = try settings("# first\n\(line)")
            Issue.record("\(line) was taken")
        } catch let error as SettingsError {
            #expect(error.source == "agent.yaml" && error.line == 2)
            let parts = line.split(separator: ":", maxSplits: 1)
            #expect(error.description.contains(parts[0]))
            #expect(error.description.contains(parts[1].drop { $0 == " " }))
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test("nested faults: ports, addresses, collectors")
    func nestedFaults() throws {
        for text in [
            "broker:\n  port: 0", "broker:\n  port: 65536", "broker:\n  tls: maybe", "intake:\n  listen: 0.0.0.0:80",
            "intake:\n  listen: 127.0.0.1", "intake:\n  socket: relative", "intake:\n  records-max: 0",
            "collectors:\n  cpu: 1 ms", "collectors:\n  cpu: sometimes", "broker:\n  hostname: x",
        ] {
            #expect(throws: SettingsError.self, "\(text)") { try settings(text) }
        }
        let layers = SettingsLayers(file: try document("collectors:\n  cpus: on"), knownCollectors: ["cpu"])
        #expect(throws: SettingsError.self) { try AgentSettings(layers) }
    }

    @Test("the environment overrides the file, under the product's names too")
    func environment() throws {
        let environment = [
            "METRICS_BUFFER_SIZE": "77", "ANOMALY_DETECTION_THRESHOLD": "0.5", "STAGEBOX_BROKER_HOST": "other",
            "STAGEBOX_FLUSH_INTERVAL": "2 s", "STAGEBOX_LOG_LEVEL": "", "HOME": "/root",
        ]
        let settings = try AgentSettings(
            SettingsLayers(file: try document("flush-interval: 7 s\nlog-level: error"), environment: environment))
        #expect(settings.intakeRecordsMax == 77)
        #expect(settings.anomalyThreshold == 0.5)
        #expect(settings.brokerHost == "other")
        #expect(settings.flushIntervalMilliseconds == 2000)
        #expect(settings.logLevel == .error)
        for bad in ["0", "-1", "many", "10000001"] {
            #expect(throws: SettingsError.self) {
                try AgentSettings(SettingsLayers(environment: ["METRICS_BUFFER_SIZE": bad]))
            }
        }
        #expect(throws: SettingsError.self) {
            try AgentSettings(SettingsLayers(environment: ["ANOMALY_DETECTION_THRESHOLD": "0.51"]))
        }
    }

    @Test("manifests override key by key, the agent's over the group's, within the guard file")
    func manifests() throws {
        var layers = SettingsLayers(
            file: try document("flush-interval: 7 s\nlog-level: error"),
            environment: ["STAGEBOX_FLUSH_INTERVAL": "8 s"],
            manifests: [
                try document("flush-interval: 9 s\ncollectors:\n  cpu: off\n  disk: off", "group eu 3"),
                try document("collectors:\n  cpu: 2 s", "agent a 5"),
            ])
        let settings = try AgentSettings(layers)
        #expect(settings.flushIntervalMilliseconds == 9000)
        #expect(settings.logLevel == .error)
        #expect(settings.collector("cpu") == .init(isEnabled: true, intervalMilliseconds: 2000))
        #expect(!settings.collector("disk").isEnabled)
        func refusal(_ guardText: String, _ manifest: String? = nil) throws -> SettingsError? {
            var guarded = layers
            guarded.guardLimits = try GuardLimits(try document(guardText, "guard.yaml"))
            if let manifest { guarded.manifests = [try document(manifest, "agent a 6")] }
            do {
                _ = try AgentSettings(guarded)
                return nil
            } catch { return error }
        }
        #expect(try refusal("") == nil)
        #expect(try refusal("remote-configuration: off")?.source == "group eu 3")
        #expect(try refusal("deny: log-level, flush-interval")?.key == "flush-interval")
        #expect(try refusal("deny: collectors.*")?.key == "collectors.cpu")
        #expect(try refusal("flush-interval-min: 10 s")?.key == "flush-interval")
        #expect(try refusal("collection-interval-min: 3 s")?.problem.contains("guard") == true)
        #expect(try refusal("buffer-bytes-max: 1 GiB", "buffer-bytes-max: 2 GiB")?.key == "buffer-bytes-max")
        #expect(try refusal("", "data-directory: /elsewhere")?.problem.contains("on the node only") == true)
        #expect(try refusal("", "guard-file: /elsewhere")?.line == 1)
        #expect(try refusal("", "manifest-bake-time: 5 s")?.problem.contains("on the node only") == true)
        // What the node's own file says is not the guard's business.
        layers.manifests = []
        #expect(try refusal("flush-interval-min: 30 s") == nil)
        for bad in ["deny: nothing", "flush-interval-min: never", "remote-commands: 5", "color: red"] {
            #expect(throws: SettingsError.self) { try GuardLimits(try document(bad, "guard.yaml")) }
        }
    }

    @Test("groups stand in a manifest only, each once, a few at most")
    func groups() throws {
        let named = try AgentSettings(SettingsLayers(manifests: [try document("groups: edge, canary")]))
        #expect(named.groups.map(\.rawValue) == ["edge", "canary"])
        #expect(throws: SettingsError.self) { try settings("groups: edge") }
        #expect(try AgentSettings(SettingsLayers(environment: ["STAGEBOX_GROUPS": "edge"])).groups.isEmpty)
        let many = (0..<9).map { "g\($0)" }.joined(separator: ",")
        for bad in ["edge,,canary", "Edge", "edge, edge", many] {
            #expect(throws: SettingsError.self) {
                try AgentSettings(SettingsLayers(manifests: [try document("groups: \"\(bad)\"")]))
            }
        }
    }
}
