/// What a running agent does not change, since its files, threads and sockets were made by it.
extension AgentSettings {
    private static let restartKeys: [(name: String, isEqual: @Sendable (AgentSettings, AgentSettings) -> Bool)] = [
        ("data-directory", { $0.dataDirectory == $1.dataDirectory }),
        ("buffer-bytes-max", { $0.bufferBytesMax == $1.bufferBytesMax }),
        ("durability", { $0.durability == $1.durability }),
        ("proc-root", { $0.procRoot == $1.procRoot }),
        ("sys-root", { $0.sysRoot == $1.sysRoot }),
        ("intake.listen", { $0.intakeListen == $1.intakeListen }),
        ("intake.socket", { $0.intakeSocketPath == $1.intakeSocketPath }),
        ("intake.records-max", { $0.intakeRecordsMax == $1.intakeRecordsMax }),
        ("intake.connections-max", { $0.intakeConnectionsMax == $1.intakeConnectionsMax }),
        ("detection", { $0.isDetectionOn == $1.isDetectionOn }),
        ("anomaly-threshold", { $0.anomalyThreshold == $1.anomalyThreshold }),
        ("log-level", { $0.logLevel == $1.logLevel }),
    ]

    /// Names of all keys that take effect with a restart only.
    package static var restartKeyNames: [String] { restartKeys.map(\.name) }

    /// The keys that differ from what the agent was started with and do so until it is started again.
    package func keysAwaitingRestart(since started: AgentSettings) -> [String] {
        Self.restartKeys.filter { !$0.isEqual(self, started) }.map(\.name)
    }
}
