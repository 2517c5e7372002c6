package import Telemetry

/// One agent as the fleet list shows it.
package struct AgentSummary: Hashable, Sendable {
    package enum State: String, Sendable, CaseIterable {
        case online
        /// Connected by its own word, but silent for longer than ``staleMilliseconds``.
        case stale
        case offline
        /// Enrolled, never heard.
        case new
    }
    /// Agents flush at least every ten seconds.
    package static let staleMilliseconds: Int64 = 60_000

    package var agent: AgentID
    package var state: State
    package var lastSeenAt: Timestamp?
    /// Now minus the newest sample's time; nil when there is none.
    package var lagMilliseconds: Int64?
    package var version = ""
    /// Agent's clock minus ours.
    package var clockSkewMilliseconds: Int64?
    package var isClockSynchronized = false
    /// What its buffer held at the last birth.
    package var bufferBytes: UInt64 = 0
    package var pending = LedgerCount()
    package var region = ""
    package var site = ""
    package var job = ""
    /// It hands on series of others.
    package var isRelay = false
    package var runningConfigurationVersion: UInt64 = 0
    package var keyBundleVersion: UInt64 = 0
    /// Two running epochs have proved themselves alive together.
    package var isCloneSuspected = false
    package var certificateEndsAt: Timestamp?
    package var runningEpoch: EpochID?
    /// Later ones override earlier ones.
    package var configuration: [ConfigurationStanding] = []

    package init(agent: AgentID, state: State) {
        self.agent = agent
        self.state = state
    }

    /// What `isOnline` and the time of the last message amount to.
    package static func state(isOnline: Bool, lastSeenAt: Timestamp?, now: Timestamp) -> State {
        guard let lastSeenAt else { return .new }
        guard isOnline else { return .offline }
        return now.milliseconds(since: lastSeenAt) > staleMilliseconds ? .stale : .online
    }

    package var json: JSON {
        .object([
            ("agent", .string(agent.rawValue)), ("state", .string(state.rawValue)),
            ("last_seen", .time(lastSeenAt)), ("lag_ms", lagMilliseconds.map { .integer($0) } ?? .null),
            ("version", .string(version)),
            ("clock_skew_ms", clockSkewMilliseconds.map { .integer($0) } ?? .null),
            ("clock_synchronized", .bool(isClockSynchronized)), ("buffer_bytes", .count(bufferBytes)),
            ("pending_batches", .count(pending.batches)), ("pending_records", .count(pending.records)),
            ("region", .string(region)), ("site", .string(site)), ("job", .string(job)),
            ("relay", .bool(isRelay)), ("configuration_version", .count(runningConfigurationVersion)),
            ("key_bundle_version", .count(keyBundleVersion)), ("clone_suspected", .bool(isCloneSuspected)),
            ("certificate_ends", .time(certificateEndsAt)), ("epoch", .text(runningEpoch?.description)),
            ("configuration", .array(configuration.map(\.json))),
        ])
    }
}
