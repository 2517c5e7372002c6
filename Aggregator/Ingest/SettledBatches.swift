import Synchronization
package import Telemetry

/// What of each lane is durable without a gap, so that a batch sent again is answered before it is queued, opened or
/// decoded: its header alone tells the sequence, and saying what is durable is true whoever asks.
///
/// Repetitions are gathered per lane and answered by the lane's next acknowledgement: however many come, one answer
/// leaves per 250 ms. The tenant's writer puts in and takes out, any thread asks. Memory: some 150 B per lane.
package final class SettledBatches: Sendable {
    package struct Repetition: Sendable {
        let agent: AgentID
        let lane: LaneKey
        /// The last one that came.
        var sequence: UInt64
        var count: UInt64
    }
    private struct Place: Hashable {
        let agent: AgentID
        let lane: LaneKey
    }
    private struct Tenant {
        var contiguous: [Place: UInt64] = [:]
        var repetitions: [Place: Repetition] = [:]
    }
    private let tenants = Mutex<[TenantID: Tenant]>([:])

    package init() {}

    /// - Returns: true when the batch is durable; then it will be acknowledged again and needs nothing else.
    package func answers(_ batch: BatchKey, of agent: AgentID, in tenant: TenantID) -> Bool {
        let place = Place(agent: agent, lane: batch.laneKey)
        return tenants.withLock { tenants in
            guard let contiguous = tenants[tenant]?.contiguous[place], batch.sequence > 0, batch.sequence <= contiguous
            else { return false }
            var repetition =
                tenants[tenant]?.repetitions[place]
                ?? Repetition(agent: agent, lane: batch.laneKey, sequence: 0, count: 0)
            repetition.sequence = batch.sequence
            repetition.count += 1
            tenants[tenant]?.repetitions[place] = repetition
            return true
        }
    }

    /// - Parameter contiguous: nil when the lane is forgotten.
    func set(_ contiguous: UInt64?, _ lane: LaneKey, of agent: AgentID, in tenant: TenantID) {
        tenants.withLock { $0[tenant, default: Tenant()].contiguous[Place(agent: agent, lane: lane)] = contiguous }
    }

    /// Forgets all lanes of a tenant: what is durable is read anew.
    func reset(_ tenant: TenantID) { tenants.withLock { $0[tenant] = nil } }

    /// What came again since the last call.
    func takeRepetitions(of tenant: TenantID) -> [Repetition] {
        tenants.withLock { tenants in
            guard let taken = tenants[tenant]?.repetitions, !taken.isEmpty else { return [] }
            tenants[tenant]?.repetitions.removeAll(keepingCapacity: true)
            return Array(taken.values)
        }
    }
}
