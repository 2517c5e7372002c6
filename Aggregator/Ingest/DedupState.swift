package import Telemetry
package import WireFormat

/// What is settled in one (agent, epoch, lane), and its side of the ledger. Stored in the same
/// transaction as the data, so that a batch counts once whatever is replayed.
package struct DedupState: Hashable, Sendable {
    package var agent: AgentID
    package var laneKey: LaneKey
    /// Committed, finally rejected or declared lost. Stored as `SequenceSet.encoded()`.
    package var settled: SequenceSet
    package var counts: LaneCounts
    /// What the agent's last birth said of this lane: produced, dropped, pending, oldest, next.
    package var reported: Birth.LaneState?
    /// When a batch or birth first and last named this lane (aggregator's clock).
    package var firstSeenAt: Timestamp
    package var lastSeenAt: Timestamp
    /// A rewound buffer was seen: new sequences from this one on are refused, for they may carry other data. 0: open.
    package var closedFrom: UInt64

    package init(agent: AgentID, laneKey: LaneKey, firstSeenAt: Timestamp) {
        self.agent = agent
        self.laneKey = laneKey
        settled = SequenceSet()
        counts = LaneCounts()
        reported = nil
        self.firstSeenAt = firstSeenAt
        lastSeenAt = firstSeenAt
        closedFrom = 0
    }
}

/// The aggregator's ledger of one lane: every settled sequence is in exactly one of committed,
/// rejected and declared, so `settled.count == total.batches`.
package struct LaneCounts: Hashable, Sendable {
    package var committed = LedgerCount()
    /// The part of `committed` that went to quarantine.
    package var quarantined = LedgerCount()
    /// Final rejections, by `RejectionCode.rawValue - 1`.
    package var rejected = [LedgerCount](repeating: LedgerCount(), count: RejectionCode.allCases.count)
    /// Declared lost by the agent, by `LossReason.rawValue - 1`.
    package var declared = [LedgerCount](repeating: LedgerCount(), count: LossReason.allCases.count)
    /// Declared lost although they had been settled before: the agent counts them as dropped, this ledger
    /// does not. `dropped at the agent == declared here + contested`.
    package var contested = LedgerCount()
    /// Batches that came again after they were settled; informative, outside the balance.
    package var duplicates: UInt64 = 0

    package init() {}

    package subscript(code: RejectionCode) -> LedgerCount {
        get { rejected[Int(code.rawValue) - 1] }
        set { rejected[Int(code.rawValue) - 1] = newValue }
    }
    package subscript(reason: LossReason) -> LedgerCount {
        get { declared[Int(reason.rawValue) - 1] }
        set { declared[Int(reason.rawValue) - 1] = newValue }
    }
    package var rejectedTotal: LedgerCount { rejected.reduce(LedgerCount(), +) }
    package var declaredTotal: LedgerCount { declared.reduce(LedgerCount(), +) }
    package var total: LedgerCount { committed + rejectedTotal + declaredTotal }
}
