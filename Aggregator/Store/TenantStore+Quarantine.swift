import Ingest
import RuntimeSupport
import SQLite
import Synchronization
import Telemetry
import WireFormat

// Gaps, parked payloads and batches with a wrong clock: written within the commit's transaction.
extension TenantStore {
    /// Adds the declared losses, and narrows the time of earlier ones by the batches that arrived after them.
    func writeGaps(_ commit: IngestCommit, _ plan: inout Plan, in database: Database) throws {
        for block in commit.blocks where !plan.gaps.isEmpty {
            for index in plan.gaps.indices.reversed() {
                let gap = plan.gaps[index].gap
                guard gap.agent == block.agent, gap.laneKey == block.key.laneKey, case .declared = gap.reason else {
                    continue
                }
                let range = IngestFile.timeRange(of: block)
                let first = Timestamp(milliseconds: range.lowerBound)
                let last = Timestamp(milliseconds: range.upperBound)
                if block.key.sequence > gap.sequences.upperBound, gap.through.map({ first < $0 }) ?? true {
                    plan.gaps[index].gap.through = first
                } else if block.key.sequence < gap.sequences.lowerBound, gap.from.map({ last > $0 }) ?? true {
                    plan.gaps[index].gap.from = last
                } else {
                    continue
                }
                plan.changedGaps.append(index)
            }
        }
        for index in Set(plan.changedGaps) {
            try IngestFile.put(.gap, plan.gaps[index].key, GapCodec.encode(plan.gaps[index].gap), in: database)
        }
        for loss in commit.losses {
            var gap = Gap(
                agent: loss.agent, laneKey: loss.record.laneKey, sequences: loss.record.sequences,
                count: loss.counted, reason: .declared(loss.record.reason), at: loss.at)
            gap.from = lastTimes.withLock { $0[AgentLane(agent: loss.agent, lane: loss.record.laneKey)] }
                .flatMap { $0.sequence < loss.record.sequences.lowerBound ? $0.time : nil }
            try add(gap, &plan, in: database)
        }
        lastTimes.withLock { times in
            for block in commit.blocks {
                let lane = AgentLane(agent: block.agent, lane: block.key.laneKey)
                if times[lane].map({ $0.sequence < block.key.sequence }) ?? true {
                    let last = Timestamp(milliseconds: IngestFile.timeRange(of: block).upperBound)
                    times[lane] = LastTime(sequence: block.key.sequence, time: last)
                }
            }
            if times.count > Self.lastTimesMax { times.removeAll() }
        }
    }

    /// Lanes whose last batch's time is remembered; beyond it all are forgotten and gaps begin at an unknown time.
    static let lastTimesMax = 100_000

    func add(_ gap: Gap, _ plan: inout Plan, in database: Database) throws {
        let key = IngestFile.key(gap.at, UInt64(bitPattern: plan.takeID()))
        try IngestFile.put(.gap, key, GapCodec.encode(gap), in: database)
        plan.gaps.append(GapEntry(key: key, gap: gap))
        if plan.gaps.count > StoreLimits.gapsMax {
            try IngestFile.remove(.gap, plan.gaps.removeFirst().key, in: database)
        }
    }

    /// Keeps refused payloads for inspection; the oldest go at the bounds.
    func park(
        _ payloads: [IngestCommit.ParkedPayload], at now: Timestamp, _ plan: inout Plan, in database: Database
    ) throws {
        guard !payloads.isEmpty else { return }
        for payload in payloads {
            let bytes = ParkedCodec.encode(payload)
            try IngestFile.put(
                .parked, IngestFile.key(payload.at, UInt64(bitPattern: plan.takeID())), bytes, in: database)
            plan.parkedBytes += bytes.count
        }
        let statement = try database.statement("SELECT key, length(value) FROM item WHERE kind = 6 ORDER BY key")
        var excess: [[UInt8]] = []
        let oldest = IngestFile.key(now.advanced(byMilliseconds: -IngestLimits.parkedMillisecondsMax), 0)
        while try statement.step() {
            let key = statement.blob(0)
            guard plan.parkedBytes > IngestLimits.parkedBytesMax || key.lexicographicallyPrecedes(oldest) else {
                statement.reset()
                break
            }
            plan.parkedBytes -= Int(statement.integer(1))
            excess.append(key)
        }
        for key in excess { try IngestFile.remove(.parked, key, in: database) }
    }

    /// Lets quarantined batches out whose boot's true time is now known. They get new ids, so that they count as
    /// committed now, and a gap entry that says by how much their time was corrected.
    func release(
        _ references: [IngestCommit.ClockReference], at now: Timestamp, _ plan: inout Plan, in database: Database
    ) throws {
        for held in try IngestFile.quarantined(in: database) {
            guard let agent = agents.name(of: held.row.agent),
                let reference = references.last(where: { $0.agent == agent && $0.bootID == held.boot })
            else { continue }
            // The last sample was taken just before sealing, so its true time is the sealing's, within one interval.
            let elapsed = Int64(bitPattern: reference.monotonicNanoseconds &- held.monotonicNanoseconds) / 1_000_000
            let sealedAt = reference.wall.advanced(byMilliseconds: 0 &- elapsed)
            let shift = sealedAt.milliseconds(since: Timestamp(milliseconds: held.row.last))
            let id = plan.takeID()
            let statement = try database.statement("UPDATE block SET id = ?2, state = 0, shift = ?3 WHERE id = ?1")
            try statement.bind(1, held.row.id)
            try statement.bind(2, id)
            try statement.bind(3, shift)
            try statement.run()
            plan.quarantineBytes -= held.row.bodyBytes
            var row = held.row
            row.id = id
            row.state = .normal
            row.shift = shift
            plan.released.append(row)
            var gap = Gap(
                agent: agent, laneKey: row.key.laneKey, sequences: row.key.sequence...row.key.sequence,
                count: LedgerCount(batches: 1, records: UInt64(row.records)), reason: .clockCorrected, at: now)
            gap.from = Timestamp(milliseconds: row.first &+ shift)
            gap.through = Timestamp(milliseconds: row.last &+ shift)
            gap.shiftMilliseconds = shift
            try add(gap, &plan, in: database)
        }
        index.touchAll(
            plan.released.map { row in
                (
                    row.agent,
                    Timestamp(milliseconds: row.first &+ row.shift)...Timestamp(milliseconds: row.last &+ row.shift)
                )
            })
    }

    /// The oldest go, and become gaps.
    func trimQuarantine(at now: Timestamp, _ plan: inout Plan, in database: Database) throws {
        for held in try IngestFile.quarantined(in: database) {
            guard plan.quarantineBytes > StoreLimits.quarantineBytesMax else { break }
            try IngestFile.delete([held.row.id], in: database)
            plan.quarantineBytes -= held.row.bodyBytes
            metrics.add("stagebox_store_dropped_total", 1, "reason", "quarantine-full")
            guard let agent = agents.name(of: held.row.agent) else { continue }
            let gap = Gap(
                agent: agent, laneKey: held.row.key.laneKey, sequences: held.row.key.sequence...held.row.key.sequence,
                count: LedgerCount(batches: 1, records: UInt64(held.row.records)), reason: .quarantineFull, at: now)
            try add(gap, &plan, in: database)
        }
    }
}
