package import Telemetry
import WireFormat

extension TenantIngest {
    /// Takes one message in. Nothing of it is acknowledged before a commit that holds it is ``committed(_:)``.
    /// - Complexity: O(log ranges) for a batch; the samples are not looked at again.
    package func receive(_ message: OpenedMessage, now: Timestamp) {
        precondition(message.tenant == tenant, "message of \(message.tenant) for \(tenant)")
        statistics.received += 1
        expireWaiting(now)
        guard let agent = agent(message.agent, now) else {
            statistics[.agentsFull] += 1
            return
        }
        switch message.content {
        case .block(let block):
            seen(agent, now)
            receive(block, agent, now)
        case .table(let table):
            seen(agent, now)
            receive(table, agent, now)
        case .losses(let header, let records):
            seen(agent, now)
            receive(losses: records, header, agent, now)
        case .key(let id):
            seen(agent, now)
            agent.wantedKeys.satisfied(id)
        case .needsKey(let id):
            statistics[.keyMissing] += 1
            if agent.wantedKeys.want(id, now: now) { scheduleAcknowledgement(of: agent, now) }
        case .birth(let birth):
            receive(birth, agent, now)
        case .state(let state):
            receive(state, agent, now)
        case .report(let report):
            seen(agent, now)
            receive(report, agent)
        case .commandResult:
            // For the office that sent the command.
            seen(agent, now)
        case .rejected(let rejected):
            receive(rejected, agent, now)
        }
    }

    /// The newest report of each scope is kept. Between two births those of the agent's own scope tell what it runs.
    /// An older one, replayed, changes nothing.
    private func receive(_ report: ManifestReport, _ agent: AgentIngest) {
        let known = agent.fleet.reports[report.scope]
        guard known.map({ report.at >= $0.at }) ?? true else { return }
        if known == nil, agent.fleet.reports.count >= FleetState.reportsMax,
            let oldest = agent.fleet.reports.values.min(by: { $0.at < $1.at })
        {
            agent.fleet.reports[oldest.scope] = nil
        }
        agent.fleet.reports[report.scope] = report
        agent.isFleetDirty = true
        dirty.insert(agent.fleet.agent)
        guard case .agent = report.scope, let birth = agent.fleet.birth,
            report.at >= max(birth.time, agent.lastReportAt)
        else { return }
        agent.lastReportAt = report.at
        agent.fleet.birth?.runningConfigurationVersion = report.runningVersion
        agent.fleet.birth?.attemptedConfigurationVersion = report.attemptedVersion
    }

    private func agent(_ id: AgentID, _ now: Timestamp) -> AgentIngest? {
        if let agent = agents[id] { return agent }
        guard agents.count < IngestLimits.agentsMax else { return nil }
        let agent = AgentIngest(fleet: FleetState(agent: id, firstSeenAt: now))
        agent.nextCounter = Self.counterFloor(now)
        agents[id] = agent
        dirty.insert(id)
        return agent
    }

    /// An authentic message came. `lastSeenAt` alone is written at most every 30 s.
    func seen(_ agent: AgentIngest, _ now: Timestamp) {
        agent.fleet.lastSeenAt = now
        if agent.fleet.birth == nil { requestBirth(agent, now) }
        guard now.milliseconds(since: agent.seenWrittenAt) >= 30_000 else { return }
        agent.seenWrittenAt = now
        agent.isFleetDirty = true
        dirty.insert(agent.fleet.agent)
    }

    /// The lane, made if the agent may have another epoch today.
    func lane(_ key: LaneKey, _ agent: AgentIngest, _ now: Timestamp) -> LaneIngest? {
        if let lane = agent.lanes[key] { return lane }
        let other = LaneKey(epoch: key.epoch, lane: key.lane == .alert ? .live : .alert)
        if agent.lanes[other] == nil {
            let day = now.milliseconds / 86_400_000
            if agent.fleet.epochDay != day {
                agent.fleet.epochDay = day
                agent.fleet.epochsOfDay = 0
            }
            guard agent.fleet.epochsOfDay < IngestLimits.epochsPerDayMax else { return nil }
            agent.fleet.epochsOfDay += 1
            agent.isFleetDirty = true
        }
        let lane = LaneIngest(state: DedupState(agent: agent.fleet.agent, laneKey: key, firstSeenAt: now))
        agent.lanes[key] = lane
        return lane
    }

    /// The lane has changed by a message with this sequence.
    func changed(_ lane: LaneIngest, _ agent: AgentIngest, _ sequence: UInt64, _ now: Timestamp) {
        touchCounter += 1
        lane.state.lastSeenAt = now
        lane.isDirty = true
        lane.touch(sequence, order: touchCounter)
        dirty.insert(agent.fleet.agent)
    }

    /// The sequence is settled already: say so again.
    func repeated(
        _ lane: LaneIngest, _ agent: AgentIngest, _ sequence: UInt64, count: UInt64 = 1, _ now: Timestamp
    ) {
        statistics.duplicates += count
        lane.state.counts.duplicates += count
        touchCounter += 1
        lane.touch(sequence, order: touchCounter)
        lane.hasNews = true
        scheduleAcknowledgement(of: agent, now)
    }

    /// - Returns: the lane, when the batch is to be looked at; nil when it is settled or cannot be taken in now.
    func laneOfNews(_ header: BatchHeader, _ agent: AgentIngest, _ now: Timestamp) -> LaneIngest? {
        guard let lane = lane(header.key.laneKey, agent, now) else {
            statistics[.epochsFull] += 1
            return nil
        }
        if lane.state.settled.contains(header.sequence) {
            repeated(lane, agent, header.sequence, now)
            return nil
        }
        guard !isFull else {
            statistics[.commitFull] += 1
            return nil
        }
        missBirth(of: lane, agent, now)
        return lane
    }

    func receive(_ block: IngestCommit.Block, _ agent: AgentIngest, _ now: Timestamp) {
        let header = block.header
        guard let lane = laneOfNews(header, agent, now) else { return }
        if lane.state.closedFrom > 0, header.sequence >= lane.state.closedFrom {
            return settle(header, as: .epochClosed, "the buffer was rewound", block.body, lane, agent, now)
        }
        let isAhead = header.lastTimestamp.milliseconds(since: now) > IngestLimits.aheadMillisecondsMax
        // What a relay hands on has others' times: its clock says nothing of them, nor they of its clock.
        let isRelayed = header.flags.contains(.relayed)
        let isTimed = header.kind == .metrics || header.kind == .events
        if isRelayed, isAhead, isTimed {
            return settle(header, as: .malformed, "handed on from times to come", block.body, lane, agent, now)
        }
        // A finding is told at once and as it is: what quarantine holds back is not looked at by anybody.
        let isQuarantined =
            isTimed && !isRelayed
            && (isAhead || !header.clock.isSynchronized && !isBorneOut(block, agent, now))
        let age = now.milliseconds(since: header.lastTimestamp)
        let retention =
            header.kind == .events ? configuration.eventRetentionMilliseconds : configuration.retentionMilliseconds
        if !isQuarantined, age > retention {
            return settle(header, as: .tooOld, "older than retention", block.body, lane, agent, now)
        }
        if case .metrics(let metrics) = block.content {
            let tables = metrics.tables.map(\.hash)
            let missing = tables.filter { agent.tables[$0] == nil }
            if !missing.isEmpty {
                return wait(block, missing: missing, agent, now)
            }
            let counts = agent.name(tables)
            let seriesCount = counts.reduce(0) { $0 + UInt64($1) }
            let isBeyond = metrics.highestSeries.map { UInt64($0) >= seriesCount } ?? false
            if counts != metrics.tables.map(\.count) || isBeyond {
                return settle(header, as: .malformed, "series beyond its tables", block.body, lane, agent, now)
            }
        }
        guard lane.state.settled.insert(header.sequence) == .inserted else {
            statistics[.rangesFull] += 1
            return
        }
        let count = LedgerCount(batches: 1, records: UInt64(header.recordCount))
        lane.state.counts.committed += count
        if isQuarantined {
            lane.state.counts.quarantined += count
            if agent.quarantinedBoots.count < AgentIngest.quarantinedBootsMax {
                agent.quarantinedBoots.insert(header.clock.bootID)
            }
        } else if header.kind == .metrics, !isRelayed, agent.quarantinedBoots.contains(header.clock.bootID) {
            reference(agent, header.clock, wall: header.lastTimestamp)
        }
        var accepted = block
        accepted.isQuarantined = isQuarantined
        pending.blocks.append(accepted)
        pendingBytes += block.memoryBytes
        statistics.accepted += 1
        changed(lane, agent, header.sequence, now)
    }

    /// A final rejection: counted, settled, parked, told to the agent after the commit.
    func settle(
        _ header: BatchHeader, as code: RejectionCode, _ detail: String, _ payload: [UInt8], _ lane: LaneIngest,
        _ agent: AgentIngest, _ now: Timestamp
    ) {
        guard lane.state.settled.insert(header.sequence) == .inserted else {
            statistics[.rangesFull] += 1
            return
        }
        lane.state.counts[code] += LedgerCount(batches: 1, records: UInt64(header.recordCount))
        statistics.rejectedFinal += 1
        park(agent, key: header.key, code: code, isFinal: true, detail, payload, now)
        if agent.uncommittedRejections.count < AgentIngest.rejectionsMax {
            agent.uncommittedRejections.append(
                Acknowledgement.Rejection(key: header.key, code: code, isFinal: true))
        }
        changed(lane, agent, header.sequence, now)
    }

    private func receive(_ rejected: OpenedMessage.Rejected, _ agent: AgentIngest, _ now: Timestamp) {
        if let header = rejected.header {
            seen(agent, now)
            guard let lane = laneOfNews(header, agent, now) else { return }
            return settle(header, as: rejected.code, rejected.detail, rejected.payload, lane, agent, now)
        }
        statistics.rejectedRetry += 1
        park(agent, key: nil, code: rejected.code, isFinal: false, rejected.detail, rejected.payload, now)
        guard let claimed = rejected.claimed, claimed.sequence > 0,
            agent.lanes[claimed.laneKey]?.state.settled.contains(claimed.sequence) != true
        else { return }
        if agent.rejections.count < AgentIngest.rejectionsMax, !agent.rejections.contains(where: { $0.key == claimed })
        {
            agent.rejections.append(
                Acknowledgement.Rejection(key: claimed, code: rejected.code, isFinal: false))
        }
        scheduleAcknowledgement(of: agent, now)
    }

    /// Keeps the payload for inspection, as long as a commit's share of the parking space lasts.
    private func park(
        _ agent: AgentIngest, key: BatchKey?, code: RejectionCode, isFinal: Bool, _ detail: String,
        _ payload: [UInt8], _ now: Timestamp
    ) {
        let parked = pending.parked.reduce(0) { $0 + $1.payload.count }
        guard parked + payload.count <= IngestLimits.parkedBytesMax / 4,
            pending.parked.count < (isFinal ? IngestLimits.parkedPerCommitMax : IngestLimits.unprovenPerCommitMax)
        else { return }
        pending.parked.append(
            IngestCommit.ParkedPayload(
                agent: agent.fleet.agent, key: key, code: code, isFinal: isFinal, detail: String(detail.prefix(256)),
                payload: payload, at: now))
    }

    /// Whether our own clock speaks for an unsynchronised one: samples sealed a moment ago carry the time it is now,
    /// or did at another moment of the same boot, from which the monotonic clock leads to these.
    private func isBorneOut(_ block: IngestCommit.Block, _ agent: AgentIngest, _ now: Timestamp) -> Bool {
        let header = block.header
        let limit = IngestLimits.measuredSkewMillisecondsMax
        if header.kind == .metrics, now.milliseconds(since: header.lastTimestamp).magnitude <= limit {
            measure(agent, header.clock, wall: header.lastTimestamp)
        }
        guard let measured = agent.measured, measured.boot == header.clock.bootID else { return false }
        // Events carry the producers' times; only the samples' own clock can be checked.
        guard header.kind == .metrics else { return true }
        let elapsed = Int64(bitPattern: header.clock.monotonicNanoseconds &- measured.monotonicNanoseconds) / 1_000_000
        let sealedAt = measured.wall.advanced(byMilliseconds: elapsed)
        return sealedAt.milliseconds(since: header.lastTimestamp).magnitude <= IngestLimits.sealingMillisecondsMax
    }

    /// Our clock bore out this boot's wall clock: what was quarantined of it comes out.
    func measure(_ agent: AgentIngest, _ clock: ClockReading, wall: Timestamp) {
        agent.measured = (clock.bootID, clock.monotonicNanoseconds, wall)
        if agent.quarantinedBoots.contains(clock.bootID) { reference(agent, clock, wall: wall) }
    }

    /// `wall` was true on this boot: what was quarantined of it can be corrected.
    func reference(_ agent: AgentIngest, _ clock: ClockReading, wall: Timestamp) {
        agent.quarantinedBoots.remove(clock.bootID)
        agent.referencedBoot = clock.bootID
        pending.clockReferences.append(
            IngestCommit.ClockReference(
                agent: agent.fleet.agent, bootID: clock.bootID, monotonicNanoseconds: clock.monotonicNanoseconds,
                wall: wall))
    }
}
