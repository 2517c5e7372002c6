package import Telemetry

/// Key batches as received: sealed, openable only while a recipient's private half exists. Kept outside
/// SQLite, so that no database backup carries them. Thread-safe.
package protocol KeyRecordStore: Sendable {
    /// The same id again changes nothing. It need not be durable at once: an agent keeps a key record as long as
    /// it has a row under that key, and sends it again when asked.
    func store(_ payload: [UInt8], of tenant: TenantID, agent: AgentID, id: DataKeyID, at time: Timestamp) throws
    /// - Returns: nil when the record is not here.
    func load(of tenant: TenantID, agent: AgentID, id: DataKeyID) throws -> [UInt8]?
}
