package import Telemetry
package import WireFormat

/// What the uplink wants done, in order. A ticket names a message until `published`, `publishFailed` or the
/// end of the connection.
package enum UplinkAction: Sendable, Equatable {
    /// Persist the session counter, then connect with clean start, session expiry 0 and `offline` as the
    /// retained last will on `up/state`.
    case connect(sessionCounter: UInt64)
    /// Close without goodbye.
    case abandon
    case disconnect
    /// Subscribe to ``WireFormat/AgentTopics/subscriptions``.
    case subscribe
    /// Retained, on `up/state`.
    case publishState(ticket: UInt64, ConnectionState)
    case publishBirth(ticket: UInt64, sessionCounter: UInt64, challenge: ID128)
    case publishBatch(ticket: UInt64, PendingBatch, BatchRoute)
    case publishAuxiliary(ticket: UInt64, Auxiliary)
    case publishResult(ticket: UInt64, UInt64)
    case fetch(UplinkFetch)
    /// Finally rejected: set the row aside for inspection. Comes before the `settle` that covers it.
    case park(BatchKey, RejectionCode)
    /// The only thing that frees rows.
    case settle(Acknowledgement.Settled)
    /// Give the row up with a loss record.
    case lose(PendingBatch, LossReason)
    /// Draw a new epoch: the aggregator has more of this one than was ever stored here.
    case closeEpoch(LaneKey, acknowledged: UInt64)
    /// nil: the agent's own interval.
    case flushEvery(milliseconds: UInt32?)
    case aggregatorTime(Timestamp)
    case desiredConfiguration(version: UInt64)
    case desiredBundle(version: UInt64)
    case report(UplinkReport)
}

/// What somebody should know.
package enum UplinkReport: Sendable, Equatable {
    case keysWithheld(desired: UInt64, held: UInt64)
    case configurationWithheld(desired: UInt64, held: UInt64)
    case keysArrived(version: UInt64)
    case configurationArrived(version: UInt64)
    /// The broker's Maximum Packet Size is below ``UplinkLimits/packetBytesMin``.
    case packetLimitTooSmall(bytes: Int)
    /// The broker took nothing for ``UplinkLimits/stalledMilliseconds``.
    case brokerStalled
    case epochRewound(LaneKey, acknowledged: UInt64)
}

/// What the uplink did, for the agent's own metrics.
package struct UplinkCounters: Sendable, Equatable {
    package var connectionAttempts: UInt64 = 0
    package var connections: UInt64 = 0
    package var births: UInt64 = 0
    package var batchesSent: UInt64 = 0
    package var bytesSent: UInt64 = 0
    package var batchesResent: UInt64 = 0
    package var auxiliariesSent: UInt64 = 0
    package var acknowledgements: UInt64 = 0
    package var acknowledgementsReplayed: UInt64 = 0
    package var rowsAcknowledged: UInt64 = 0
    package var rejectionsFinal: UInt64 = 0
    package var rejectionsRetried: UInt64 = 0
    package var publishesRefused: UInt64 = 0
    package var controlMessagesDropped: UInt64 = 0
    package init() {}
}
