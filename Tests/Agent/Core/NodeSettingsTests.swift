import Actions
import AgentCore
import Control
import LocalRules
import RuntimeSupport
import TestSupport
import Testing

@Suite("The node's own settings")
struct NodeSettingsTests {
    @Test("a guard file that is named and not there is an error that names it, in the file and in the environment")
    func missingGuard() throws {
        let directory = try TemporaryDirectory("settings")
        defer { directory.remove() }
        let path = directory.file("agent.yaml")
        try Files.write(Array("guard-file: /nowhere/guard.yaml\n".utf8), to: path)
        let fault = #expect(throws: SettingsError.self) { try NodeSettings.read(path: path, environment: [:]) }
        #expect(fault?.source == "/nowhere/guard.yaml" && fault?.description.contains("cannot be read") == true)
        try Files.write([], to: path)
        #expect(throws: SettingsError.self) {
            try NodeSettings.read(path: path, environment: ["STAGEBOX_GUARD_FILE": "/nowhere/guard.yaml"])
        }
    }

    @Test("without a name the default guard file may be missing; a named one counts")
    func guards() throws {
        let directory = try TemporaryDirectory("settings")
        defer { directory.remove() }
        let path = directory.file("agent.yaml")
        try Files.write(Array("guard-file: \(directory.file("guard.yaml"))\n".utf8), to: path)
        try Files.write(Array("remote-commands: off\n".utf8), to: directory.file("guard.yaml"))
        #expect(try !NodeSettings.read(path: path, environment: [:]).guardLimits.allowsRemoteCommands)
        try Files.write(Array("remote-commands: sometimes\n".utf8), to: directory.file("guard.yaml"))
        #expect(throws: SettingsError.self) { try NodeSettings.read(path: path, environment: [:]) }
    }

    @Test("a setting that nothing reads is refused by its name, in the file and in the environment")
    func withoutEffect() throws {
        let directory = try TemporaryDirectory("settings")
        defer { directory.remove() }
        let path = directory.file("agent.yaml")
        try Files.write(Array("broker:\n  tls: on\n".utf8), to: path)
        #expect(#expect(throws: SettingsError.self) { try NodeSettings.read(path: path, environment: [:]) }?.line == 2)
        try Files.write(Array("log-level: error\nintake:\n  connections-max: 3\n".utf8), to: path)
        for name in ["STAGEBOX_BROKER_TLS", "STAGEBOX_BROKER_CA", "STAGEBOX_INTAKE_REQUEST_BYTES_MAX"] {
            let fault = #expect(throws: SettingsError.self) {
                try NodeSettings.read(path: path, environment: [name: "on"])
            }
            #expect(fault?.key == name && fault?.source == "environment")
        }
        let read = try NodeSettings.read(
            path: path, environment: ["STAGEBOX_BROKER_TLS": "", "ANOMALY_DETECTION_THRESHOLD": "0.2"])
        #expect(read.settings.logLevel == .error && read.settings.intakeConnectionsMax == 3)
        #expect(read.settings.anomalyThreshold == 0.2)
        #expect(
            NodeSettings.documentation.contains("log-level (") && !NodeSettings.documentation.contains("broker.tls"))
    }

    @Test("the guard file's actions are read with its other keys, and nowhere else")
    func actions() throws {
        let directory = try TemporaryDirectory("settings")
        defer { directory.remove() }
        let (path, guardPath) = (directory.file("agent.yaml"), directory.file("guard.yaml"))
        try Files.write(Array("guard-file: \(guardPath)\nrules:\n  busy: node_load1 > 8 for 1m\n".utf8), to: path)
        try Files.write(Array("deny: rules.*\nactions:\n  note: log\n  note.rate: 3\n".utf8), to: guardPath)
        let read = try NodeSettings.read(path: path, environment: [:])
        #expect(read.guardLimits.actions.map(\.ratePerHour) == [3] && read.settings.rules.keys.sorted() == ["busy"])
        try Files.write(Array("actions:\n  note: log\n".utf8), to: path)
        #expect(#expect(throws: SettingsError.self) { try NodeSettings.read(path: path, environment: [:]) }?.line == 2)
        try Files.write(Array("rules:\n  busy: node_load1 >> 8\n".utf8), to: path)
        let fault = #expect(throws: SettingsError.self) { try NodeSettings.read(path: path, environment: [:]) }
        #expect(fault?.key == "rules.busy" && fault?.problem.contains("position 13: expected a number") == true)
    }

    @Test("the intake listens on the host that is set, off and on a socket as it is set")
    func intake() throws {
        let directory = try TemporaryDirectory("settings")
        defer { directory.remove() }
        func read(_ text: String) throws -> AgentConfiguration {
            try Files.write(Array(text.utf8), to: directory.file("agent.yaml"))
            return try NodeSettings.read(path: directory.file("agent.yaml"), environment: [:])
        }
        var plain = try read("")
        #expect(plain.intakeHost == "127.0.0.1" && plain.intakePort == 9470 && plain.intakeSocketPath == nil)
        #expect(NodeSettings.documentation.contains("intake.socket (path, off;"))
        plain = try read("intake:\n  listen: \"[::1]:80\"\n  socket: /tmp/x.sock\n")
        #expect(plain.intakeHost == "::1" && plain.intakePort == 80 && plain.intakeSocketPath == "/tmp/x.sock")
        plain.intakePort = 81
        #expect(plain.settings.intakeListen == "[::1]:81")
        plain.intakePort = nil
        #expect(plain.intakeHost == nil && plain.intakePort == nil)
        #expect(throws: SettingsError.self) { try read("intake:\n  listen: 127.example.org:80\n") }
    }

    @Test("keys that take a restart are named, others are not")
    func restart() {
        let started = AgentSettings()
        var now = started
        now.flushIntervalMilliseconds = 5000
        #expect(now.keysAwaitingRestart(since: started) == [])
        now.intakeListen = "127.0.0.1:1"
        now.bufferBytesMax = 8 << 20
        #expect(now.keysAwaitingRestart(since: started) == ["buffer-bytes-max", "intake.listen"])
        #expect(AgentSettings.restartKeyNames.allSatisfy { name in AgentSettings.keys.contains { $0.name == name } })
        #expect(NodeSettings.documentation.contains("[takes a restart]"))
    }
}
