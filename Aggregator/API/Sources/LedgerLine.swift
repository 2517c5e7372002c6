package import Telemetry

/// The ledger of one (agent, epoch, lane): produced = committed + rejected + pending + dropped, in batches and records.
package struct LedgerLine: Hashable, Sendable {
    package var agent: AgentID
    package var laneKey: LaneKey
    package var produced: LedgerCount
    package var committed: LedgerCount
    /// Part of `committed` that waits in quarantine.
    package var quarantined: LedgerCount
    package var rejected: [(code: RejectionCode, count: LedgerCount)]
    package var pending: LedgerCount
    package var dropped: [(reason: LossReason, count: LedgerCount)]
    package var duplicates: UInt64

    package init(
        agent: AgentID, laneKey: LaneKey, produced: LedgerCount, committed: LedgerCount,
        quarantined: LedgerCount = LedgerCount(), rejected: [(code: RejectionCode, count: LedgerCount)] = [],
        pending: LedgerCount = LedgerCount(), dropped: [(reason: LossReason, count: LedgerCount)] = [],
        duplicates: UInt64 = 0
    ) {
        self.agent = agent
        self.laneKey = laneKey
        self.produced = produced
        self.committed = committed
        self.quarantined = quarantined
        self.rejected = rejected
        self.pending = pending
        self.dropped = dropped
        self.duplicates = duplicates
    }

    package var rejectedTotal: LedgerCount { rejected.reduce(LedgerCount()) { $0 + $1.count } }
    package var droppedTotal: LedgerCount { dropped.reduce(LedgerCount()) { $0 + $1.count } }
    package var accounted: LedgerCount { committed + rejectedTotal + pending + droppedTotal }
    package var isBalanced: Bool { produced == accounted }

    /// Produced but nowhere to be found; negative when more is accounted for than was produced.
    package var missing: (batches: Int64, records: Int64) {
        func difference(_ left: UInt64, _ right: UInt64) -> Int64 {
            left >= right ? Int64(clamping: left - right) : -Int64(clamping: right - left)
        }
        return (difference(produced.batches, accounted.batches), difference(produced.records, accounted.records))
    }

    package static func == (left: LedgerLine, right: LedgerLine) -> Bool {
        left.agent == right.agent && left.laneKey == right.laneKey && left.produced == right.produced
            && left.committed == right.committed && left.quarantined == right.quarantined
            && left.pending == right.pending && left.duplicates == right.duplicates
            && left.rejected.elementsEqual(right.rejected) { $0 == $1 }
            && left.dropped.elementsEqual(right.dropped) { $0 == $1 }
    }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(agent)
        hasher.combine(laneKey)
    }

    package var json: JSON {
        func counts(_ count: LedgerCount) -> JSON {
            .object([("batches", .count(count.batches)), ("records", .count(count.records))])
        }
        return .object([
            ("agent", .string(agent.rawValue)), ("epoch", .string(laneKey.epoch.description)),
            ("lane", .string(laneKey.lane.name)), ("produced", counts(produced)), ("committed", counts(committed)),
            ("quarantined", counts(quarantined)),
            (
                "rejected",
                .object(rejected.filter { $0.count != LedgerCount() }.map { ($0.code.name, counts($0.count)) })
            ),
            ("pending", counts(pending)),
            (
                "dropped",
                .object(dropped.filter { $0.count != LedgerCount() }.map { ($0.reason.name, counts($0.count)) })
            ),
            ("duplicates", .count(duplicates)), ("balanced", .bool(isBalanced)),
            ("missing", .object([("batches", .integer(missing.batches)), ("records", .integer(missing.records))])),
        ])
    }
}
