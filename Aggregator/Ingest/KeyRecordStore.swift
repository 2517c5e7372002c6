package import Telemetry

/// Key batches as received: sealed, openable only while a recipient's private half exists. Kept outside
/// SQLite, so that no database backup carries them. Thread-safe.
package protocol KeyRecordStore: Sendable {
    /// Durable when it returns. The same id again changes nothing.
    func store(_ payload: [UInt8], of tenant: TenantID, agent: AgentID, id: DataKeyID, at time: Timestamp) throws
    /// - Returns: nil when the record is not here.
    func load(of tenant: TenantID, agent: AgentID, id: DataKeyID) throws -> [UInt8]?
}
