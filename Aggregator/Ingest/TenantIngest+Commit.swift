package import Telemetry
import WireFormat

extension TenantIngest {
    /// How many acknowledgement counters one fleet row reserves.
    static let reserveStep: UInt64 = 1_000_000

    /// Everything received since the last commit, as one transaction; nil when there is nothing, or when the
    /// last one is not settled yet. After a failure the same content comes again.
    package func prepareCommit(now: Timestamp) -> IngestCommit? {
        guard outstanding == nil else { return nil }
        expireWaiting(now)
        settleGraces(now)
        forgetLanes(now)
        // Only a commit that failed leaves states behind; each dirty agent comes once.
        let (hasOldDedup, hasOldFleet) = (!pending.dedup.isEmpty, !pending.fleet.isEmpty)
        for id in dirty.sorted() {
            guard let agent = agents[id] else { continue }
            for lane in agent.lanes.values.filter(\.isDirty).sorted(by: { $0.state.laneKey < $1.state.laneKey }) {
                if hasOldDedup { pending.dedup.removeAll { $0.agent == id && $0.laneKey == lane.state.laneKey } }
                pending.dedup.append(lane.state)
                lane.isDirty = false
            }
            if agent.nextCounter + Self.reserveStep / 2 > agent.fleet.acknowledgementReserve {
                agent.fleet.acknowledgementReserve = agent.nextCounter + Self.reserveStep
                agent.isFleetDirty = true
            }
            if agent.isFleetDirty {
                if hasOldFleet { pending.fleet.removeAll { $0.agent == id } }
                pending.fleet.append(agent.fleet)
                agent.isFleetDirty = false
            }
        }
        dirty.removeAll(keepingCapacity: true)
        guard !pending.isEmpty else { return nil }
        pending.at = now
        let commit = pending
        outstanding = (commit, pendingBytes)
        pending = IngestCommit(number: commit.number + 1, at: now)
        pendingBytes = 0
        return commit
    }

    /// The store has made the commit durable: what it settled is acknowledged from now on.
    package func committed(_ number: UInt64) {
        guard let (commit, _) = outstanding, commit.number == number else { return }
        outstanding = nil
        statistics.commits += 1
        for state in commit.fleet {
            agents[state.agent]?.durableReserve = state.acknowledgementReserve
        }
        for state in commit.dedup {
            guard let agent = agents[state.agent], let lane = agent.lanes[state.laneKey] else { continue }
            lane.durable = state.settled
            settled.set(state.settled.contiguous, state.laneKey, of: state.agent, in: tenant)
            lane.hasNews = true
            let settled = agent.uncommittedRejections.filter {
                $0.key.laneKey == state.laneKey && state.settled.contains($0.key.sequence)
            }
            agent.rejections = (agent.rejections + settled).suffix(AgentIngest.rejectionsMax)
            agent.uncommittedRejections.removeAll {
                $0.key.laneKey == state.laneKey && state.settled.contains($0.key.sequence)
            }
            scheduleAcknowledgement(of: agent, commit.at)
        }
    }

    /// The store could not make the commit durable, or does not know. Nothing of it is acknowledged; it
    /// comes again with the next one. Meanwhile ``isFull`` bounds what is held.
    package func failed(_ number: UInt64) {
        guard let (failed, bytes) = outstanding, failed.number == number else { return }
        outstanding = nil
        statistics.failedCommits += 1
        var merged = failed
        merged.number = pending.number
        merged.blocks += pending.blocks
        merged.tables += pending.tables
        merged.losses += pending.losses
        merged.parked = Array((failed.parked + pending.parked).prefix(IngestLimits.parkedPerCommitMax))
        merged.clockReferences += pending.clockReferences
        merged.forgotten += pending.forgotten
        pending = merged
        pendingBytes += bytes
    }

    /// Once an hour: lanes whose batches can no longer be opened by anybody.
    private func forgetLanes(_ now: Timestamp) {
        guard now >= nextForgetAt else { return }
        nextForgetAt = now.advanced(byMilliseconds: 3_600_000)
        for (id, agent) in agents.sorted(by: { $0.key < $1.key }) {
            for (key, lane) in agent.lanes.sorted(by: { $0.key < $1.key })
            where now.milliseconds(since: lane.state.lastSeenAt) > configuration.forgetMilliseconds
                && !lane.isDirty && agent.fleet.birth?.runningEpoch != key.epoch
            {
                agent.lanes[key] = nil
                settled.set(nil, key, of: id, in: tenant)
                pending.forgotten.append(IngestCommit.ForgottenLane(agent: id, laneKey: key))
            }
        }
    }
}
