package import Telemetry
package import WireFormat

/// Everything that one tenant received since the last commit, to become durable in one transaction.
package struct IngestCommit: Sendable {
    /// Grows by one per commit of this process; names the commit in `committed(_:)` and `failed(_:)`.
    package var number: UInt64
    /// The aggregator's clock when the commit was made.
    package var at: Timestamp
    /// New batches, each exactly once over all commits, in order of arrival.
    package var blocks: [Block]
    /// New tables; in the same or an earlier commit than any block that names them.
    package var tables: [Table]
    package var losses: [Loss]
    package var parked: [ParkedPayload]
    /// The states, after this commit, of the lanes that it touches: to be upserted by (agent, epoch, lane).
    package var dedup: [DedupState]
    /// The states, after this commit, of the agents that it touches: to be upserted by agent.
    package var fleet: [FleetState]
    /// True times learned of boots that have batches in quarantine.
    package var clockReferences: [ClockReference]
    /// Lanes whose dedup record is no longer needed: every key that could open their batches is destroyed.
    package var forgotten: [ForgottenLane]

    package init(number: UInt64, at: Timestamp) {
        self.number = number
        self.at = at
        blocks = []
        tables = []
        losses = []
        parked = []
        dedup = []
        fleet = []
        clockReferences = []
        forgotten = []
    }

    package var isEmpty: Bool {
        blocks.isEmpty && tables.isEmpty && losses.isEmpty && parked.isEmpty && dedup.isEmpty && fleet.isEmpty
            && clockReferences.isEmpty && forgotten.isEmpty
    }

    /// A batch of kind `metrics`, `events`, `findings` or `metadata`, verified and fully validated.
    package struct Block: Sendable {
        package var agent: AgentID
        package var header: BatchHeader
        /// The body as it was sealed, padding removed: what `WireFormat` encodes (compressed).
        package var body: [UInt8]
        /// What `body` holds; of metrics what has to be known of it.
        package var content: Content
        package var receivedAt: Timestamp
        /// The agent's clock was not synchronised, or samples were more than 5 minutes ahead: the block is
        /// committed and counted, but its samples wait for a corrected time.
        package var isQuarantined: Bool

        package var key: BatchKey { header.key }
        /// About what the block takes in memory: the body and what is decoded of it.
        package var memoryBytes: Int {
            switch content {
            case .metrics(let metrics): body.count + (metrics.samples == nil ? 0 : 8 * metrics.sampleCount) + 256
            case .events(let events): body.count + 512 * (events.decoded?.count ?? 0) + 256
            case .findings(let findings): body.count + 2048 * findings.count + 256
            case .metadata(let families): body.count + 512 * families.count + 256
            }
        }

        package init(
            agent: AgentID, header: BatchHeader, body: [UInt8], content: Content, receivedAt: Timestamp,
            isQuarantined: Bool = false
        ) {
            self.agent = agent
            self.header = header
            self.body = body
            self.content = content
            self.receivedAt = receivedAt
            self.isQuarantined = isQuarantined
        }
    }

    package enum Content: Sendable {
        /// Its tables' sizes and series numbers are checked against the tables.
        case metrics(MetricContent)
        case events(EventContent)
        case findings([Finding])
        case metadata([MetricMetadata])
    }

    package struct Table: Sendable {
        package var agent: AgentID
        package var hash: TableHash
        /// The encoded table; its BLAKE2b-256 is `hash`.
        package var encoded: [UInt8]
        package var series: [SeriesDescriptor]
        package init(agent: AgentID, hash: TableHash, encoded: [UInt8], series: [SeriesDescriptor]) {
            self.agent = agent
            self.hash = hash
            self.encoded = encoded
            self.series = series
        }
    }

    /// A loss that an agent declared; the counts in ``DedupState`` already contain it.
    package struct Loss: Sendable {
        package var agent: AgentID
        /// The batch that declared it.
        package var declaredBy: BatchKey
        package var record: LossRecord
        /// What of it was news: sequences that had not been settled before.
        package var counted: LedgerCount
        package var at: Timestamp
        package init(
            agent: AgentID, declaredBy: BatchKey, record: LossRecord, counted: LedgerCount, at: Timestamp
        ) {
            self.agent = agent
            self.declaredBy = declaredBy
            self.record = record
            self.counted = counted
            self.at = at
        }
    }

    /// A refused payload kept for inspection. The store keeps at most
    /// ``IngestLimits/parkedBytesMax`` per tenant and ``IngestLimits/parkedMillisecondsMax``, oldest out first.
    package struct ParkedPayload: Sendable {
        package var agent: AgentID
        /// nil when the header did not decode or was not authentic.
        package var key: BatchKey?
        package var code: RejectionCode
        package var isFinal: Bool
        package var detail: String
        package var payload: [UInt8]
        package var at: Timestamp
        package init(
            agent: AgentID, key: BatchKey?, code: RejectionCode, isFinal: Bool, detail: String, payload: [UInt8],
            at: Timestamp
        ) {
            self.agent = agent
            self.key = key
            self.code = code
            self.isFinal = isFinal
            self.detail = detail
            self.payload = payload
            self.at = at
        }
    }

    /// On this boot of this agent, `wall` was true when the monotonic clock read `monotonicNanoseconds`.
    /// So a quarantined block's true sealing time is `wall - (monotonicNanoseconds - its own)`.
    package struct ClockReference: Hashable, Sendable {
        package var agent: AgentID
        package var bootID: ID128
        package var monotonicNanoseconds: UInt64
        package var wall: Timestamp
        package init(agent: AgentID, bootID: ID128, monotonicNanoseconds: UInt64, wall: Timestamp) {
            self.agent = agent
            self.bootID = bootID
            self.monotonicNanoseconds = monotonicNanoseconds
            self.wall = wall
        }
    }

    package struct ForgottenLane: Hashable, Sendable {
        package var agent: AgentID
        package var laneKey: LaneKey
        package init(agent: AgentID, laneKey: LaneKey) {
            self.agent = agent
            self.laneKey = laneKey
        }
    }
}
