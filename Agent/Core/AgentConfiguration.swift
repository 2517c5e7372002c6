package import Control
import RuntimeSupport

/// Settings of one agent; every one has a default.
package struct AgentConfiguration: Sendable {
    /// As the node's file, environment and flags say; manifests come on top while the agent runs.
    package var settings = AgentSettings()
    /// Of the guard file: what no manifest may do here.
    package var guardLimits = GuardLimits()
    /// Reads all of it again, for SIGHUP; nil: nothing to read.
    package var reload: (@Sendable () throws -> AgentConfiguration)?

    /// Of the command line, without the verb: a child process is given the same.
    package var options: [String] = []

    package init(dataDirectory: String = "/var/lib/stagebox-agent") {
        settings.dataDirectory = dataDirectory
    }

    /// Buffer, identity and machine key.
    package var dataDirectory: String {
        get { settings.dataDirectory }
        set { settings.dataDirectory = newValue }
    }
    /// Bytes of the buffer file, 4 MiB...64 GiB.
    package var bufferBytesMax: Int64 {
        get { Int64(settings.bufferBytesMax) }
        set { settings.bufferBytesMax = Int(newValue) }
    }
    /// Every commit synchronised instead of one in five seconds.
    package var isDurabilityFull: Bool {
        get { settings.durability == .full }
        set { settings.durability = newValue ? .full : .normal }
    }
    /// 200...60 000 ms.
    package var flushMilliseconds: Int64 {
        get { settings.flushIntervalMilliseconds }
        set { settings.flushIntervalMilliseconds = newValue }
    }
    package var procRoot: String {
        get { settings.procRoot }
        set { settings.procRoot = newValue }
    }
    package var sysRoot: String {
        get { settings.sysRoot }
        set { settings.sysRoot = newValue }
    }
    /// Loopback port of the intake; nil: no TCP. Setting it keeps the host.
    package var intakePort: Int? {
        get { LoopbackHost.endpoint(settings.intakeListen).map { Int($0.port) } }
        set {
            let host = intakeHost ?? "127.0.0.1"
            settings.intakeListen = newValue.map { host.contains(":") ? "[\(host)]:\($0)" : "\(host):\($0)" } ?? ""
        }
    }
    /// Loopback host of the intake, without brackets; nil: no TCP.
    package var intakeHost: String? { LoopbackHost.endpoint(settings.intakeListen)?.host }
    package var intakeSocketPath: String? {
        get { settings.intakeSocketPath.isEmpty ? nil : settings.intakeSocketPath }
        set { settings.intakeSocketPath = newValue ?? "" }
    }
    /// METRICS_BUFFER_SIZE: records that the intake may hold unanswered; beyond it 429.
    package var intakeRecordsMax: Int {
        get { settings.intakeRecordsMax }
        set { settings.intakeRecordsMax = newValue }
    }

    var bufferPath: String { "\(dataDirectory)/buffer.sqlite" }
    var identityPath: String { "\(dataDirectory)/identity.sealed" }
    var machineKeyPath: String { "\(dataDirectory)/machine.key" }
}
