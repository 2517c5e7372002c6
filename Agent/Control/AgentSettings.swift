package import LocalRules
package import Telemetry

/// Everything that can be set of an agent. The defaults are what an empty file gives; the keys, their ranges
/// and meanings stand in ``AgentSettings/keys``.
package struct AgentSettings: Sendable, Equatable {
    package enum Durability: String, Sendable, CaseIterable {
        /// A power cut may lose the last 5 s, a crash nothing.
        case normal
        /// Each commit reaches the disk.
        case full
    }
    package enum LogLevel: String, Sendable, CaseIterable { case debug, info, notice, warning, error }

    /// What one collector is set to.
    package struct CollectorSetting: Sendable, Equatable {
        package var isEnabled = true
        /// nil: the collector's own, or the collection interval.
        package var intervalMilliseconds: Int64?
        package init(isEnabled: Bool = true, intervalMilliseconds: Int64? = nil) {
            self.isEnabled = isEnabled
            self.intervalMilliseconds = intervalMilliseconds
        }
    }

    /// nil: as enrolled, for the four keys of the broker.
    package var brokerHost: String?
    package var brokerPort: UInt16?
    package var brokerTLS: Bool?
    package var brokerCAPath: String?

    package var dataDirectory = "/var/lib/stagebox-agent"
    package var bufferBytesMax = 256 * 1024 * 1024
    package var durability = Durability.normal
    package var flushIntervalMilliseconds: Int64 = 10_000
    package var collectionIntervalMilliseconds: Int64 = 1000
    package var collectors: [String: CollectorSetting] = [:]
    package var procRoot = "/proc"
    package var sysRoot = "/sys"

    /// Empty: no TCP listener.
    package var intakeListen = "127.0.0.1:9470"
    /// Empty: no Unix socket, which is the default: a folder for it exists only where the service's unit made one.
    package var intakeSocketPath = ""
    package var intakeRecordsMax = 10_000
    package var intakeRequestBytesMax = 4 * 1024 * 1024
    package var intakeConnectionsMax = 256

    package var isDetectionOn = true
    package var anomalyThreshold = 0.1
    package var logLevel = LogLevel.info
    package var guardFilePath = "/etc/stagebox-agent/guard.yaml"

    /// Judged on the node, by name.
    package var rules: [String: LocalRule] = [:]

    /// What is taken in from other programs.
    package var sources = SourceSettings()

    /// Whose manifests apply beside the agent's own; a later group's override an earlier one's.
    package var groups: [GroupName] = []
    /// From a manifest's effect to a connection and an acknowledgement on it; later it is reverted.
    package var manifestLinkMilliseconds: Int64 = 120_000
    /// How long a manifest is watched before it is kept.
    package var manifestBakeMilliseconds: Int64 = 60_000

    package init() {}

    package func collector(_ name: String) -> CollectorSetting { collectors[name] ?? CollectorSetting() }
}
