import Telemetry
import WireFormat

extension TenantIngest {
    /// A batch of kind `loss`: settles its own sequence, and the sequences that it declares lost. What was
    /// settled before stays as it was (the first record of a sequence wins) and is counted as contested.
    /// All or nothing: if any lane is full, the batch stays unacknowledged.
    func receive(losses records: [LossRecord], _ header: BatchHeader, _ agent: AgentIngest, _ now: Timestamp) {
        guard let own = laneOfNews(header, agent, now) else { return }
        // Changed on copies first, in the order of the records.
        var lanes: [(lane: LaneIngest, state: DedupState)] = [(own, own.state)]
        guard lanes[0].state.settled.insert(header.sequence) == .inserted else {
            statistics[.rangesFull] += 1
            return
        }
        lanes[0].state.counts.committed += LedgerCount(batches: 1, records: UInt64(header.recordCount))
        var losses: [IngestCommit.Loss] = []
        for record in records {
            guard let lane = lane(record.laneKey, agent, now) else {
                statistics[.epochsFull] += 1
                return
            }
            let index = lanes.firstIndex { $0.lane === lane } ?? lanes.count
            if index == lanes.count { lanes.append((lane, lane.state)) }
            guard let counted = declare(record, &lanes[index].state) else {
                statistics[.rangesFull] += 1
                return
            }
            losses.append(
                IngestCommit.Loss(
                    agent: agent.fleet.agent, declaredBy: header.key, record: record, counted: counted, at: now))
        }
        statistics.accepted += 1
        for (lane, state) in lanes.reversed() {
            lane.state = state
            changed(lane, agent, lane === own ? header.sequence : state.settled.contiguous, now)
        }
        pending.losses.append(contentsOf: losses)
    }

    /// - Returns: what was news; nil when the lane is full.
    private func declare(_ record: LossRecord, _ state: inout DedupState) -> LedgerCount? {
        let length = record.sequences.upperBound - record.sequences.lowerBound + 1
        let already = state.settled.count(within: record.sequences)
        let known = already == 0 ? LedgerCount() : knownRecords(record, already, state.agent)
        guard let news = state.settled.insert(record.sequences) else { return nil }
        // A record of a run without holes says exactly what each end counts. One with holes leaves out what the
        // agent knew to be settled, so only what exceeds the news is contested.
        let contestedBatches = record.count.batches > news ? record.count.batches - news : 0
        var contestedRecords = UInt64(0)
        if contestedBatches > 0 {
            contestedRecords =
                length == record.count.batches && known.batches == already
                ? min(known.records, record.count.records)
                : Self.share(contestedBatches, of: record.count)
        }
        let counted = LedgerCount(batches: news, records: record.count.records - contestedRecords)
        state.counts[record.reason] += counted
        state.counts.contested += LedgerCount(batches: contestedBatches, records: contestedRecords)
        return counted
    }

    /// The records of `batches` of the count's batches, rounded down. Exact: a Double loses what is above 2^53.
    private static func share(_ batches: UInt64, of count: LedgerCount) -> UInt64 {
        let product = count.records.multipliedFullWidth(by: min(batches, count.batches))
        return count.batches.dividingFullWidth(product).quotient
    }

    /// Batches and records within the range that are here: in the store and in the commits on their way.
    private func knownRecords(
        _ record: LossRecord, _ already: UInt64, _ agent: AgentID
    ) -> LedgerCount {
        var known = LedgerCount()
        let blocks = [outstanding?.commit.blocks ?? [], pending.blocks]
        for block in blocks.joined()
        where block.agent == agent && block.key.laneKey == record.laneKey
            && record.sequences.contains(block.key.sequence)
        {
            known += LedgerCount(batches: 1, records: UInt64(block.header.recordCount))
        }
        guard known.batches < already else { return known }
        // When the store cannot tell, the records are estimated: the batches still are exact.
        let stored = try? store.committedCount(
            of: tenant, agent: agent, lane: record.laneKey, within: record.sequences)
        return known + (stored ?? LedgerCount())
    }
}
