import Telemetry
import WireFormat

// A birth is signed, but the broker may replay, delay or withhold it. What a birth alone shows is therefore only
// taken in the order of session counters. Clones and rewound buffers are declared only from births that answer a
// fresh challenge: those were made after the challenge was issued, whatever the broker does.
extension TenantIngest {
    func receive(_ birth: Birth, _ agent: AgentIngest, _ now: Timestamp) {
        let previous = agent.fleet.birth
        let isFresh =
            birth.challenge != .zero && birth.challenge == agent.challenge?.value && agent.isChallengeFresh(now)
        let isKnownEpoch = agent.epochFirstSeen[birth.runningEpoch] != nil
        remember(birth.runningEpoch, agent, now)
        agent.suspects[birth.runningEpoch] = now
        let isOther = previous.map { $0.runningEpoch != birth.runningEpoch } ?? false
        guard isFresh || previous == nil || birth.sessionCounter > (previous?.sessionCounter ?? 0) else {
            statistics.staleBirths += 1
            // A replay, or a clone or restored image whose counter is behind: only a challenge can tell.
            if isOther { issueChallenge(agent, now, isUrgent: !isKnownEpoch) }
            return
        }
        if let previous, isOther { agent.suspects[previous.runningEpoch] = now }
        // An agent that signed a fresh challenge replaces what was known, even with a lower counter.
        agent.fleet.birth = birth
        agent.isBirthMissing = false
        agent.fleet.birthReceivedAt = now
        agent.fleet.clockSkewMilliseconds = birth.time.milliseconds(since: now)
        agent.fleet.isClockSynchronized = birth.clock.isSynchronized
        agent.fleet.lastSeenAt = now
        agent.isFleetDirty = true
        dirty.insert(agent.fleet.agent)
        let isSuspicious = report(birth, agent, now)
        if isFresh {
            answer(birth, agent, now)
        } else if isSuspicious || isOther {
            issueChallenge(agent, now, isUrgent: isOther && !isKnownEpoch)
        }
        settleConnection(agent, birth.sessionCounter, now)
        if !birth.clock.isSynchronized,
            birth.time.milliseconds(since: now).magnitude <= IngestLimits.measuredSkewMillisecondsMax
        {
            measure(agent, birth.clock, wall: birth.time)
        }
        if birth.clock.isSynchronized,
            agent.referencedBoot != birth.clock.bootID
                || agent.quarantinedBoots.contains(birth.clock.bootID)
        {
            reference(agent, birth.clock, wall: birth.time)
        }
        scheduleAcknowledgement(of: agent, now)
    }

    private func remember(_ epoch: EpochID, _ agent: AgentIngest, _ now: Timestamp) {
        guard agent.epochFirstSeen[epoch] == nil else { return }
        if agent.epochFirstSeen.count >= AgentIngest.epochsRememberedMax,
            let oldest = agent.epochFirstSeen.min(by: { $0.value < $1.value })
        {
            agent.epochFirstSeen[oldest.key] = nil
            agent.suspects[oldest.key] = nil
            agent.answers[oldest.key] = nil
        }
        agent.epochFirstSeen[epoch] = now
    }

    /// Takes over what the birth says of each lane.
    /// - Returns: whether a lane is behind what is settled here: a rewound buffer, or a birth that was delayed.
    private func report(_ birth: Birth, _ agent: AgentIngest, _ now: Timestamp) -> Bool {
        var isBehind = false
        for state in birth.lanes {
            guard let lane = lane(state.laneKey, agent, now) else {
                statistics[.epochsFull] += 1
                continue
            }
            if lane.state.settled.highest >= max(state.next, 1) { isBehind = true }
            lane.state.reported = state
            lane.state.lastSeenAt = now
            lane.isDirty = true
        }
        return isBehind
    }

    /// The birth was made after the challenge: what it says held after that moment.
    private func answer(_ birth: Birth, _ agent: AgentIngest, _ now: Timestamp) {
        guard let challenge = agent.challenge else { return }
        for state in birth.lanes {
            guard let settled = challenge.settled[state.laneKey], settled >= max(state.next, 1) else { continue }
            close(state.laneKey.epoch, birth, agent)
        }
        agent.answers[birth.runningEpoch] = (now, challenge.issuedAt)
        let seen = agent.epochFirstSeen
        let isClone = agent.answers.contains { epoch, other in
            guard epoch != birth.runningEpoch, let mine = seen[birth.runningEpoch], let theirs = seen[epoch] else {
                return false
            }
            // Both were alive after both had been seen: neither is the other's past.
            return now.milliseconds(since: other.at) <= IngestLimits.challengeMillisecondsMax
                && min(other.issuedAt, challenge.issuedAt) >= max(mine, theirs)
        }
        if isClone {
            if now.milliseconds(since: agent.fleet.cloneSeenAt) > IngestLimits.challengeMillisecondsMax {
                statistics.clones += 1
            }
            agent.fleet.cloneSeenAt = now
        }
    }

    /// Closes both lanes of an epoch whose buffer went back: sequences from where it stands now on may be used
    /// again for other data, so new ones are refused.
    private func close(_ epoch: EpochID, _ birth: Birth, _ agent: AgentIngest) {
        var isNews = false
        for state in birth.lanes where state.laneKey.epoch == epoch {
            guard let lane = agent.lanes[state.laneKey], lane.state.closedFrom == 0 else { continue }
            lane.state.closedFrom = max(state.next, 1)
            lane.isDirty = true
            isNews = true
        }
        if isNews {
            agent.fleet.rewoundCount += 1
            statistics.rewound += 1
        }
    }

    /// Asks every process that runs as this agent to sign something new. At most every 30 s, unless an epoch
    /// was just seen for the first time: an earlier challenge proves nothing about it.
    private func issueChallenge(_ agent: AgentIngest, _ now: Timestamp, isUrgent: Bool) {
        if let challenge = agent.challenge {
            let age = now.milliseconds(since: challenge.issuedAt)
            guard age >= IngestLimits.requestMillisecondsMin || isUrgent && age >= 1000 else { return }
        }
        var value = ID128(high: generator.next(), low: generator.next())
        if value == .zero { value = ID128(high: 1, low: 1) }
        agent.challenge = AgentIngest.Challenge(
            value: value, issuedAt: now, requests: 0, settled: agent.lanes.mapValues { $0.state.settled.highest })
        agent.birthRequestedAt = .distantPast
        scheduleAcknowledgement(of: agent, now)
    }

    /// A new batch came of an epoch that its agent's births have not named: the birth of a start got lost.
    func missBirth(of lane: LaneIngest, _ agent: AgentIngest, _ now: Timestamp) {
        guard lane.state.reported == nil, let birth = agent.fleet.birth,
            birth.runningEpoch != lane.state.laneKey.epoch
        else { return }
        agent.isBirthMissing = true
        requestBirth(agent, now)
    }

    /// Asks an agent that no birth is known of, at most every 30 s (each agent adds its own jitter).
    func requestBirth(_ agent: AgentIngest, _ now: Timestamp) {
        guard agent.fleet.birth == nil || agent.isBirthMissing, agent.acknowledgementDueAt == nil else { return }
        guard now.milliseconds(since: agent.birthRequestedAt) >= IngestLimits.requestMillisecondsMin else { return }
        scheduleAcknowledgement(of: agent, now)
    }

    // MARK: - Connection states: unsigned hints, ordered by the session counter

    func receive(_ state: ConnectionState, _ agent: AgentIngest, _ now: Timestamp) {
        let session = agent.fleet.birth?.sessionCounter ?? 0
        if state.sessionCounter < session {
            statistics.staleStates += 1
        } else if state.sessionCounter > session || agent.fleet.birth == nil {
            agent.earlyState = state
        } else {
            apply(state, agent, now)
        }
    }

    /// A birth of `session` came: the agent was there. A state of that very session may have come before it.
    private func settleConnection(_ agent: AgentIngest, _ session: UInt64, _ now: Timestamp) {
        setOnline(true, agent, now)
        if let early = agent.earlyState, early.sessionCounter <= session {
            agent.earlyState = nil
            if early.sessionCounter == session { apply(early, agent, now) }
        }
    }

    private func apply(_ state: ConnectionState, _ agent: AgentIngest, _ now: Timestamp) {
        if state.isOnline {
            setOnline(true, agent, now)
        } else if agent.fleet.isOnline, agent.offlineAt == nil {
            agent.offlineAt = now.advanced(byMilliseconds: IngestLimits.offlineGraceMilliseconds)
            graced.insert(agent.fleet.agent)
        }
    }

    /// Ends the graces that are over.
    func settleGraces(_ now: Timestamp) {
        for id in graced {
            guard let agent = agents[id], let at = agent.offlineAt, at <= now else { continue }
            setOnline(false, agent, now)
        }
    }

    private func setOnline(_ isOnline: Bool, _ agent: AgentIngest, _ now: Timestamp) {
        agent.offlineAt = nil
        graced.remove(agent.fleet.agent)
        guard agent.fleet.isOnline != isOnline else { return }
        agent.fleet.isOnline = isOnline
        agent.fleet.onlineChangedAt = now
        agent.isFleetDirty = true
        dirty.insert(agent.fleet.agent)
    }
}
