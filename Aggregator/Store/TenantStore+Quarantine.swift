import Ingest
import RuntimeSupport
import SQLite
import Synchronization
import Telemetry
import WireFormat

// Gaps, parked payloads and batches with a wrong clock: written within the commit's transaction.
extension TenantStore {
    /// Adds the declared losses, and narrows the time of earlier ones by the batches that arrived after them.
    /// - Complexity: O(gaps + blocks × log blocks).
    func writeGaps(_ commit: IngestCommit, _ plan: inout Plan, in database: Database) throws {
        if plan.gaps.contains(where: \.gap.isDeclared) {
            let lanes = Dictionary(grouping: commit.blocks) { AgentLane(agent: $0.agent, lane: $0.key.laneKey) }
                .mapValues(LaneTimes.init)
            for index in plan.gaps.indices where plan.gaps[index].gap.isDeclared {
                let gap = plan.gaps[index].gap
                let lane = lanes[AgentLane(agent: gap.agent, lane: gap.laneKey)]
                if lane?.narrow(&plan.gaps[index].gap) ?? false { plan.changedGaps.append(index) }
            }
        }
        for index in plan.changedGaps {
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
        _ commit: IngestCommit, at now: Timestamp, _ plan: inout Plan, in database: Database
    ) throws {
        for held in try IngestFile.quarantined(in: database) {
            guard let agent = agents.name(of: held.row.agent),
                let reference = commit.clockReference(of: agent, held.boot)
            else { continue }
            let shift = reference.shift(ofLast: held.row.last, sealedAt: held.monotonicNanoseconds)
            plan.quarantineBytes -= held.row.bodyBytes
            var row = held.row
            row.shift = shift
            guard row.kind != .metrics || row.range != nil else {
                try IngestFile.set(.damaged, shift: 0, of: row.id, in: database)
                try add(gap(of: row, agent, .damaged, at: now), &plan, in: database)
                plan.damaged.append(row)
                continue
            }
            let id = plan.takeID()
            let statement = try database.statement("UPDATE block SET id = ?2, state = 0, shift = ?3 WHERE id = ?1")
            try statement.bind(1, held.row.id)
            try statement.bind(2, id)
            try statement.bind(3, shift)
            try statement.run()
            row.id = id
            row.state = .normal
            plan.released.append(row)
            var gap = gap(of: row, agent, .clockCorrected, at: now)
            gap.from = Timestamp(milliseconds: row.first).advanced(byMilliseconds: shift)
            gap.through = Timestamp(milliseconds: row.last).advanced(byMilliseconds: shift)
            gap.shiftMilliseconds = shift
            try add(gap, &plan, in: database)
        }
    }

    /// Keeps the index's time bounds outside what a commit will let out of quarantine: what waits, and what it brings.
    func widenBoundsOfReleased(_ commit: IngestCommit, _ fresh: [TableStore.Key: [SeriesID]]) throws {
        guard !commit.clockReferences.isEmpty else { return }
        var rows: [(agent: AgentNumber, last: Int64, first: Int64, hashes: [TableHash], shift: Int64)] = []
        for held in try ingest.use({ try IngestFile.quarantined(in: $0) }) where held.row.kind == .metrics {
            guard let agent = agents.name(of: held.row.agent),
                let reference = commit.clockReference(of: agent, held.boot),
                let hashes = try tableHashes(of: held.row.id)
            else { continue }
            let shift = reference.shift(ofLast: held.row.last, sealedAt: held.monotonicNanoseconds)
            rows.append((held.row.agent, held.row.last, held.row.first, hashes, shift))
        }
        for block in commit.blocks where block.isQuarantined {
            let clock = block.header.clock
            guard case .metrics(let metrics) = block.content, let agent = agents.number(of: block.agent),
                let reference = commit.clockReference(of: block.agent, clock.bootID)
            else { continue }
            let range = IngestFile.timeRange(of: block)
            let shift = reference.shift(ofLast: range.upperBound, sealedAt: clock.monotonicNanoseconds)
            rows.append((agent, range.upperBound, range.lowerBound, metrics.tables.map(\.hash), shift))
        }
        for row in rows {
            guard let range = BlockRow.range(row.first, row.last, shift: row.shift) else { continue }
            try widen(row.agent, row.hashes, range, fresh)
        }
    }

    /// The tables that a block names; nil when it does not decode, which its readers will find.
    private func tableHashes(of block: Int64) throws -> [TableHash]? {
        guard let body = try ingestReaders.use({ try IngestFile.body(of: block, in: $0) }) else { return nil }
        return try? CodecPool.shared.use { codec in
            try codec.decoder.decode(try codec.body.decompress(body), repeatingConstants: false)
            return codec.decoder.tables.map(\.hash)
        }
    }

    /// The oldest go, and become gaps.
    func trimQuarantine(at now: Timestamp, _ plan: inout Plan, in database: Database) throws {
        for held in try IngestFile.quarantined(in: database) {
            guard plan.quarantineBytes > StoreLimits.quarantineBytesMax else { break }
            try IngestFile.delete([held.row.id], in: database)
            plan.quarantineBytes -= held.row.bodyBytes
            metrics.add("stagebox_store_dropped_total", 1, "reason", "quarantine-full")
            guard let agent = agents.name(of: held.row.agent) else { continue }
            try add(gap(of: held.row, agent, .quarantineFull, at: now), &plan, in: database)
        }
    }

    // MARK: Outside of commits

    /// Quarantined rows whose true time never became known. Their age is that of their arrival, for their own time is
    /// known to be wrong.
    func expireQuarantined(before cut: Int64, _ plan: inout Plan, in database: Database) throws {
        for held in try IngestFile.quarantined(in: database) where held.row.receivedAt < cut {
            try IngestFile.delete([held.row.id], in: database)
            plan.quarantineBytes -= held.row.bodyBytes
            metrics.add("stagebox_store_dropped_total", 1, "reason", "quarantine-expired")
            guard let agent = agents.name(of: held.row.agent) else { continue }
            try add(gap(of: held.row, agent, .quarantineExpired, at: time.now), &plan, in: database)
        }
    }

    /// A level-0 row that does not decode: kept as it is for inspection, listed nowhere, told as a gap.
    func setAside(_ block: Int64, _ finding: String) throws {
        var found: BlockRow?
        try changeGaps { plan, database in
            guard let row = try IngestFile.row(of: block, in: database), row.state != .damaged else { return }
            try IngestFile.set(.damaged, shift: row.shift, of: block, in: database)
            found = row
            guard let agent = agents.name(of: row.agent) else { return }
            var gap = gap(of: row, agent, .damaged, at: time.now)
            gap.from = row.range.map { Timestamp(milliseconds: $0.lowerBound) }
            gap.through = row.range.map { Timestamp(milliseconds: $0.upperBound) }
            try add(gap, &plan, in: database)
        }
        guard let found else { return }
        head.remove([block], of: found.agent)
        reportDamaged(found, finding)
    }

    func reportDamaged(_ row: BlockRow, _ finding: String) {
        let what = row.kind == .events ? "events" : "samples"
        report("ingest.sqlite", "block \(row.id): \(finding)", "the batch's \(row.records) \(what) are lost")
        metrics.add("stagebox_store_dropped_total", 1, "reason", "damaged")
    }

    private func gap(of row: BlockRow, _ agent: AgentID, _ reason: Gap.Reason, at now: Timestamp) -> Gap {
        Gap(
            agent: agent, laneKey: row.key.laneKey, sequences: row.key.sequence...row.key.sequence,
            count: LedgerCount(batches: 1, records: UInt64(row.records)), reason: reason, at: now)
    }
}

extension IngestCommit {
    func clockReference(of agent: AgentID, _ boot: ID128) -> ClockReference? {
        clockReferences.last { $0.agent == agent && $0.bootID == boot }
    }
}

extension IngestCommit.ClockReference {
    /// What corrects the time of a batch: its last sample was taken just before sealing, so that sample's true time is
    /// the sealing's, within one interval. Saturates.
    /// - Parameter sealedAt: by the boot's monotonic clock, nanoseconds.
    func shift(ofLast last: Int64, sealedAt: UInt64) -> Int64 {
        let elapsed = Int64(bitPattern: monotonicNanoseconds &- sealedAt) / 1_000_000
        return wall.advanced(byMilliseconds: 0 &- elapsed).milliseconds(since: Timestamp(milliseconds: last))
    }
}

/// The times of one lane's batches in a commit.
struct LaneTimes {
    /// Ascending by sequence.
    private let sequences: [UInt64]
    /// By position: the latest last time of the batches up to there, the earliest first time from there on.
    private let latest: [Timestamp]
    private let earliest: [Timestamp]

    init(_ blocks: [IngestCommit.Block]) {
        let sorted = blocks.map { ($0.key.sequence, IngestFile.timeRange(of: $0)) }.sorted { $0.0 < $1.0 }
        sequences = sorted.map(\.0)
        var times: [Timestamp] = []
        for (_, range) in sorted {
            times.append(max(times.last ?? .distantPast, Timestamp(milliseconds: range.upperBound)))
        }
        latest = times
        times = []
        for (_, range) in sorted.reversed() {
            times.append(min(times.last ?? .distantFuture, Timestamp(milliseconds: range.lowerBound)))
        }
        earliest = times.reversed()
    }

    /// Narrows a gap's time by the batches around it.
    /// - Returns: whether that changed it.
    func narrow(_ gap: inout Gap) -> Bool {
        let (from, through) = (gap.from, gap.through)
        let before = count { $0 < gap.sequences.lowerBound }
        if before > 0 { gap.from = max(latest[before - 1], gap.from ?? .distantPast) }
        let after = count { $0 <= gap.sequences.upperBound }
        if after < earliest.count { gap.through = min(earliest[after], gap.through ?? .distantFuture) }
        return gap.from != from || gap.through != through
    }

    /// How many of the first sequences satisfy `isBefore`.
    private func count(_ isBefore: (UInt64) -> Bool) -> Int {
        var (low, high) = (0, sequences.count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(sequences[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Gap {
    var isDeclared: Bool { if case .declared = reason { true } else { false } }
}
