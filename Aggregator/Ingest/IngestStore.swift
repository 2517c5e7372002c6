package import Telemetry

/// Where one tenant's verified batches become durable. Owned by Ingest; `Store` conforms.
///
/// Called from the tenant's one writer thread only. Every call names its tenant.
package protocol IngestStore: AnyObject {
    /// All that a ``TenantIngest`` needs to go on as if it had never stopped: no agent has to be born
    /// again and no table has to be sent again after a restart.
    /// - Returns: an empty snapshot for a tenant without data.
    func loadIngest(of tenant: TenantID) throws -> IngestSnapshot

    /// One durable transaction: when this returns, everything in `commit` is on disk together; when it
    /// throws, nothing is. Blocks, dedup states, tables, losses, parked payloads and fleet states share it.
    ///
    /// Idempotent by batch key: a commit whose outcome was unknown may come again.
    func commit(_ commit: IngestCommit, of tenant: TenantID) throws

    /// Batches and records of committed blocks of one lane within `sequences`, as far as the rows still tell; nil:
    /// unknown.
    ///
    /// Needed only when an agent gave up rows that had arrived after all. What the rows do not tell, the ledger estimates.
    func committedCount(
        of tenant: TenantID, agent: AgentID, lane: LaneKey, within sequences: ClosedRange<UInt64>
    ) throws -> LedgerCount?
}

/// What ``IngestStore/loadIngest(of:)`` returns.
package struct IngestSnapshot: Sendable {
    /// A series table that the store holds.
    package struct KnownTable: Hashable, Sendable {
        package var agent: AgentID
        package var hash: TableHash
        package var seriesCount: UInt32
        package init(agent: AgentID, hash: TableHash, seriesCount: UInt32) {
            self.agent = agent
            self.hash = hash
            self.seriesCount = seriesCount
        }
    }
    package var dedup: [DedupState]
    package var tables: [KnownTable]
    package var fleet: [FleetState]

    package init(dedup: [DedupState] = [], tables: [KnownTable] = [], fleet: [FleetState] = []) {
        self.dedup = dedup
        self.tables = tables
        self.fleet = fleet
    }
}
