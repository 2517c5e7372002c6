import Telemetry
import WireFormat

// Blocks whose series table is not here wait for at most one second and 4 MiB: with several openers a table
// may simply be overtaken by its first block. Then they are forgotten, and the agent sends them again.
extension TenantIngest {
    func receive(_ table: IngestCommit.Table, _ agent: AgentIngest, _ now: Timestamp) {
        agent.wantedTables.satisfied(table.hash)
        guard agent.tables[table.hash] == nil else { return }
        guard !isFull else {
            statistics[.commitFull] += 1
            return
        }
        agent.learn(table.hash, UInt32(clamping: table.series.count))
        pending.tables.append(table)
        pendingBytes += table.encoded.count
        release(agent, now)
    }

    func wait(
        _ block: IngestCommit.Block, missing: [TableHash], _ agent: AgentIngest, _ now: Timestamp
    ) {
        var isWanted = false
        for hash in missing where agent.wantedTables.want(hash, now: now) { isWanted = true }
        if isWanted { scheduleAcknowledgement(of: agent, now) }
        guard !waiting.contains(where: { $0.block.agent == block.agent && $0.block.key == block.key }) else { return }
        let sizeBytes = block.memoryBytes
        while waitingBytes + sizeBytes > IngestLimits.waitingBytesMax, !waiting.isEmpty {
            dropFirstWaiting()
        }
        waiting.append(WaitingBlock(block: block, missing: missing, sizeBytes: sizeBytes))
        waitingBytes += sizeBytes
    }

    func expireWaiting(_ now: Timestamp) {
        while let first = waiting.first,
            now.milliseconds(since: first.block.receivedAt) > IngestLimits.waitingMillisecondsMax
        { dropFirstWaiting() }
    }

    private func dropFirstWaiting() {
        waitingBytes -= waiting.removeFirst().sizeBytes
        statistics[.tableMissing] += 1
    }

    /// Takes in the agent's blocks that have all their tables now.
    private func release(_ agent: AgentIngest, _ now: Timestamp) {
        let id = agent.fleet.agent
        let ready = waiting.filter { $0.block.agent == id && $0.missing.allSatisfy { agent.tables[$0] != nil } }
        guard !ready.isEmpty else { return }
        waiting.removeAll { $0.block.agent == id && $0.missing.allSatisfy { agent.tables[$0] != nil } }
        for entry in ready {
            waitingBytes -= entry.sizeBytes
            receive(entry.block, agent, now)
        }
    }
}
