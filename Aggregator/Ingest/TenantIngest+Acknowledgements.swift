package import Telemetry
package import WireFormat

extension TenantIngest {
    /// When the next acknowledgement is due; nil when nothing is to be said.
    /// - Complexity: O(agents with something to say).
    package var nextAcknowledgementAt: Timestamp? {
        due.lazy.compactMap { self.agents[$0]?.acknowledgementDueAt }.min()
    }

    /// The acknowledgements due now, unsigned; more than one for an agent that seems to
    /// run more than once.
    ///
    /// Only what is durable is acknowledged. What happens within 250 ms is combined into one.
    package func acknowledgements(now: Timestamp) -> [(AgentID, Acknowledgement)] {
        answerRepetitions(now)
        var made: [(AgentID, Acknowledgement)] = []
        for id in due.sorted() {
            guard let agent = agents[id], let dueAt = agent.acknowledgementDueAt else {
                due.remove(id)
                continue
            }
            guard dueAt <= now else { continue }
            // A counter is used only below the durable reserve: wait for the commit that reserves.
            guard agent.nextCounter + 8 < agent.durableReserve else {
                agent.isFleetDirty = true
                dirty.insert(id)
                continue
            }
            agent.acknowledgementDueAt = nil
            due.remove(id)
            for acknowledgement in make(agent, now) { made.append((id, acknowledgement)) }
            if agent.wantedTables.hasWanted || agent.wantedKeys.hasWanted || !agent.rejections.isEmpty
                || agent.lanes.values.contains(where: \.hasNews)
            {
                scheduleAcknowledgement(of: agent, now)
            }
        }
        return made
    }

    /// Takes back what an acknowledgement says that did not leave: it is said again within 250 ms.
    package func notSent(_ acknowledgement: Acknowledgement, to id: AgentID, now: Timestamp) {
        guard let agent = agents[id] else { return }
        for settled in acknowledgement.settled { agent.lanes[settled.laneKey]?.hasNews = true }
        let rejections = acknowledgement.rejections.filter { !agent.rejections.contains($0) }
        agent.rejections.insert(
            contentsOf: rejections.prefix(max(0, AgentIngest.rejectionsMax - agent.rejections.count)), at: 0)
        for table in acknowledgement.needsTables {
            agent.wantedTables.satisfied(table)
            _ = agent.wantedTables.want(table, now: now)
        }
        for key in acknowledgement.needsKeys {
            agent.wantedKeys.satisfied(key)
            _ = agent.wantedKeys.want(key, now: now)
        }
        if acknowledgement.needsBirth { agent.birthRequestedAt = .distantPast }
        scheduleAcknowledgement(of: agent, now)
    }

    private func answerRepetitions(_ now: Timestamp) {
        for repetition in settled.takeRepetitions(of: tenant) {
            guard let agent = agents[repetition.agent], let lane = agent.lanes[repetition.lane] else { continue }
            repeated(lane, agent, repetition.sequence, count: repetition.count, now)
        }
    }

    private func make(_ agent: AgentIngest, _ now: Timestamp) -> [Acknowledgement] {
        let rejections = Array(agent.rejections.prefix(Acknowledgement.rejectionsMax))
        agent.rejections.removeFirst(rejections.count)
        let isFresh = agent.isChallengeFresh(now)
        var acknowledgement = Acknowledgement(
            counter: 0, runningEpoch: agent.fleet.birth?.runningEpoch ?? .zero,
            aggregatorID: configuration.aggregatorID,
            settled: settled(agent), rejections: rejections,
            needsTables: agent.wantedTables.take(max: IngestLimits.requestsPerAcknowledgementMax, now: now),
            needsKeys: agent.wantedKeys.take(max: IngestLimits.requestsPerAcknowledgementMax, now: now),
            needsBirth: needsBirth(agent, isFresh, now),
            desiredConfigurationVersion: agent.desiredConfigurationVersion, keyBundleVersion: keyBundleVersion,
            time: now,
            flushIntervalMilliseconds: agent.flushIntervalMilliseconds, creditBytes: configuration.creditBytes,
            challenge: isFresh ? agent.challenge?.value ?? .zero : .zero)
        let isAsking = acknowledgement.needsBirth
        return epochs(agent, isAsking: isAsking, now).map { epoch in
            acknowledgement.runningEpoch = epoch
            acknowledgement.needsBirth =
                isAsking
                && (agent.isBirthMissing || agent.challenge == nil
                    || agent.answers[epoch]?.issuedAt != agent.challenge?.issuedAt)
            acknowledgement.counter = agent.nextCounter
            agent.nextCounter += 1
            return acknowledgement
        }
    }

    /// Lanes touched last first, at most 64 of them and 64 ranges.
    private func settled(_ agent: AgentIngest) -> [Acknowledgement.Settled] {
        let news = agent.lanes.values.filter(\.hasNews)
            .sorted { ($1.touchOrder, $0.state.laneKey) < ($0.touchOrder, $1.state.laneKey) }
        var rangesLeft = WireLimits.acknowledgedRangesMax
        var settled: [Acknowledgement.Settled] = []
        for lane in news.prefix(Acknowledgement.settledMax) {
            let ranges = lane.ranges(max: rangesLeft)
            rangesLeft -= ranges.count
            settled.append(
                Acknowledgement.Settled(
                    laneKey: lane.state.laneKey, contiguous: lane.durable.contiguous, ranges: ranges))
            lane.acknowledged()
        }
        return settled
    }

    private func needsBirth(_ agent: AgentIngest, _ isFresh: Bool, _ now: Timestamp) -> Bool {
        let isChallenged = isFresh && (agent.challenge?.requests ?? 0) < 3
        guard agent.fleet.birth == nil || agent.isBirthMissing || isChallenged,
            now.milliseconds(since: agent.birthRequestedAt) >= IngestLimits.requestMillisecondsMin
        else { return false }
        agent.birthRequestedAt = now
        agent.challenge?.requests += 1
        return true
    }

    /// Whom to address: the running epoch; while a clone was seen within ten minutes, the other one too; when a
    /// challenge asks, every epoch that may be running. An agent takes its control from its own epoch's only.
    private func epochs(_ agent: AgentIngest, isAsking: Bool, _ now: Timestamp) -> [EpochID] {
        let running = agent.fleet.birth?.runningEpoch ?? .zero
        func isRecent(_ time: Timestamp) -> Bool {
            now.milliseconds(since: time) <= IngestLimits.challengeMillisecondsMax
        }
        var others = Set<EpochID>()
        if isRecent(agent.fleet.cloneSeenAt) {
            others.formUnion(agent.answers.lazy.filter { isRecent($0.value.at) }.map(\.key))
        }
        if isAsking, agent.challenge != nil {
            others.formUnion(agent.suspects.lazy.filter { isRecent($0.value) }.map(\.key))
        }
        return [running] + others.subtracting([running]).sorted().prefix(3)
    }
}
