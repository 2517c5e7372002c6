/// Settings of one agent; every one has a default.
package struct AgentConfiguration: Sendable {
    /// Buffer, identity and machine key.
    package var dataDirectory: String
    /// Bytes of the buffer file, 4 MiB...64 GiB.
    package var bufferBytesMax: Int64 = 256 << 20
    /// Every commit synchronised instead of one in five seconds.
    package var isDurabilityFull = false
    /// 200...60 000 ms.
    package var flushMilliseconds: Int64 = 10_000
    package var procRoot = "/proc"
    package var sysRoot = "/sys"
    /// Loopback port of the intake; nil: no TCP.
    package var intakePort: Int? = 9470
    package var intakeSocketPath: String?
    /// METRICS_BUFFER_SIZE: records that the intake may hold unanswered; beyond it 429.
    package var intakeRecordsMax = 10_000

    package init(dataDirectory: String = "/var/lib/stagebox-agent") { self.dataDirectory = dataDirectory }

    var bufferPath: String { "\(dataDirectory)/buffer.sqlite" }
    var identityPath: String { "\(dataDirectory)/identity.sealed" }
    var machineKeyPath: String { "\(dataDirectory)/machine.key" }
}
