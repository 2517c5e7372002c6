package import Telemetry
package import WireFormat

/// What the aggregator knows of one agent, apart from its data.
package struct FleetState: Hashable, Sendable {
    package var agent: AgentID
    package var firstSeenAt: Timestamp
    /// The last authentic message (aggregator's clock).
    package var lastSeenAt: Timestamp
    /// After the 30 s grace; a hint, since `up/state` is unsigned.
    package var isOnline: Bool
    package var onlineChangedAt: Timestamp
    /// The last signed birth that was in order; its lanes are in ``DedupState/reported``. nil before the first.
    package var birth: Birth?
    package var birthReceivedAt: Timestamp
    /// Agent's clock minus ours at the last birth or freshly sealed batch, milliseconds (delivery time included).
    package var clockSkewMilliseconds: Int64
    package var isClockSynchronized: Bool
    /// Day (since 1970, aggregator's clock) that `epochsOfDay` counts for.
    package var epochDay: Int64
    package var epochsOfDay: UInt32
    /// When two running epochs last proved themselves alive together; `.distantPast` if never.
    package var cloneSeenAt: Timestamp
    package var rewoundCount: UInt32
    /// Acknowledgement counters below this may have been used: a restart goes on from here.
    package var acknowledgementReserve: UInt64
    /// The newest report of each scope of the configuration.
    package var reports: [Manifest.Scope: ManifestReport]
    /// The agent's own scope and its groups, left ones included for a while.
    package static let reportsMax = 2 * GroupName.countMax

    package init(agent: AgentID, firstSeenAt: Timestamp) {
        self.agent = agent
        self.firstSeenAt = firstSeenAt
        lastSeenAt = firstSeenAt
        isOnline = false
        onlineChangedAt = firstSeenAt
        birth = nil
        birthReceivedAt = .distantPast
        clockSkewMilliseconds = 0
        isClockSynchronized = false
        epochDay = 0
        epochsOfDay = 0
        cloneSeenAt = .distantPast
        rewoundCount = 0
        acknowledgementReserve = 0
        reports = [:]
    }
}
